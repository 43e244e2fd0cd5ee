/**
 * Somebody's pager: a channel of an operator's that shows what it is sent and brings what is typed on it. Its `send` is as
 * careless as a plugin may be: it writes what it was given into its log and gives it back.
 */
import { type Answered, type ChannelContext, definePlugin, defineTool, Schema, ToolRefused } from "syris"
import { assert } from "vitest"
import { until } from "../storms/Until.ts"

interface Shown {
  readonly to: string
  readonly text: string
  readonly subject: string
}

export interface Pager {
  readonly plugin: ReturnType<ReturnType<typeof definePlugin>>
  readonly shown: () => ReadonlyArray<Shown>
  /** What it was asked about an approval, with the code. */
  readonly question: (number: number) => Promise<Shown & { readonly code: string }>
  readonly answer: ChannelContext["answer"]
}

/** The code in a message. */
export const codeIn = (text: string): string => {
  const code = /^Answer with: approve (\S+)\nor with: deny \1\n/.exec(text)?.[1]
  assert.match(code ?? "none", /^[0-9A-Z]{4}-[0-9A-Z]{4}$/, text)
  return code!
}

export const makePager = (connector_id: string, operator: { readonly to: string } | null = { to: "ada" }): Pager => {
  const shown: Array<Shown> = []
  let context: ChannelContext | undefined
  const plugin = definePlugin({
    name: `pager-${connector_id}`,
    setup: ({ log }) => ({
      channels: [{
        name: "pager",
        connector_id,
        trust: "untrusted" as const,
        ...(operator === null ? {} : { operator }),
        receive: (ctx) => {
          context = ctx
        },
        send: defineTool({
          name: "pager.send",
          description: "Show a message.",
          input: Schema.Struct({ text: Schema.String, to: Schema.String, subject: Schema.optionalKey(Schema.String) }),
          effect: "write",
          risk: "medium",
          scopes: ["pager"],
          run: ({ subject = "", text, to }, ctx) => {
            shown.push({ subject, text, to })
            ctx.log.info(`shown: ${text}`)
            log.warn(text)
            if (to === "nobody") throw new ToolRefused(`Nobody reads ${text}`)
            return { shown: text }
          }
        })
      }]
    })
  })()
  return {
    plugin,
    shown: () => shown,
    question: (number) =>
      until(`the question ${number} on ${connector_id}`, () => {
        const one = shown.find(({ subject }) => subject.startsWith(`Approval ${number}:`))
        return one && { ...one, code: codeIn(one.text) }
      }),
    answer: (code, decision): Promise<Answered> => {
      if (context === undefined) throw new Error("It does not listen.")
      return context.answer(code, decision)
    }
  }
}
