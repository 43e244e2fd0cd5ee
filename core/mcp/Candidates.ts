/**
 * What of a server's list can be used at all, and why not of the rest. Nothing here trusts anything: a tool that could be used
 * is still only what its pin says.
 */
import { Effect } from "effect"
import type { RefusedTool } from "../contract/Integration.ts"
import { clipped } from "../contract/Visible.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { definitionOf, definitionProblem, maximumTools, type PinnedTool, pinOf, shownName } from "./Definition.ts"
import { makeCheck } from "./InputSchema.ts"
import type { ListedTool } from "./McpConnection.ts"

export interface Candidates {
  /** By the server's own name for it. */
  readonly usable: ReadonlyMap<string, PinnedTool>
  readonly refused: ReadonlyArray<RefusedTool>
}

/** What all the schemas of a list may take together, besides what is usual for each, milliseconds of this thread. */
const slowMs = 3_000
const usualMs = 20

const spentMs = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (user + system) / 1_000
}
const maximumRefused = 1_000
/** After so many tools others have their turn. */
const atOnce = 25

const secretReason =
  "Its definition has the value of a secret of yours in it: change that secret, and ask how the server has it."

/** Pins whose schemas were found wanting, so that they are not looked at again. */
const wanting = new Map<string, string>()

/**
 * `isKnown`: a pin that was looked at before. `allows`: what the operator lets the server bring; the rest is passed over.
 */
export const candidatesOf = Effect.fnUntraced(function*(
  { more, tools }: { readonly tools: ReadonlyArray<ListedTool>; readonly more: boolean },
  allows: (tool: string) => boolean,
  isKnown: (pin: string) => boolean
): Effect.fn.Return<Candidates, never, Redactor> {
  const redactor = yield* Redactor
  const usable = new Map<string, PinnedTool>()
  const refused: Array<RefusedTool> = []
  const refuse = (name: unknown, reason: string): void => {
    if (refused.length >= maximumRefused) return
    const tool = shownName(typeof name === "string" ? redactor.redactText(name) : name)
    refused.push({ tool, reason: redactor.redactText(reason) })
  }
  const named = tools.slice(0, maximumTools)
  const times = new Map<unknown, number>()
  for (const { name } of named) times.set(name, (times.get(name) ?? 0) + 1)
  const said = new Set<unknown>()
  let left = slowMs
  for (const [index, listed] of named.entries()) {
    const { name } = listed
    // A long list is not looked at in one go.
    if (index % atOnce === atOnce - 1) yield* Effect.yieldNow
    if (typeof name === "string" && !allows(name)) continue
    const count = times.get(name) ?? 1
    if (count > 1) {
      if (!said.has(name)) refuse(name, `The server lists ${count} tools of this name: none of them is used.`)
      said.add(name)
      continue
    }
    const problem = definitionProblem(listed)
    if (problem !== undefined) {
      // What is wrong may be said in words that are cut: a part of a secret would not be found in them.
      refuse(name, hidesSecret(redactor, listed) ? secretReason : problem)
      continue
    }
    const definition = definitionOf(listed)
    if (redactor.redactJson(definition) !== definition) {
      refuse(name, secretReason)
      continue
    }
    const pin = pinOf(definition)
    if (!isKnown(pin)) {
      if (left <= 0) {
        refuse(name, "The schemas of the server take too long to be understood, so this one was not looked at.")
        continue
      }
      const started = spentMs()
      const found = wanting.get(pin) ?? (yield* Effect.promise(() => schemaProblem(definition)))
      left -= Math.max(0, spentMs() - started - usualMs)
      if (found !== undefined) {
        if (wanting.size >= maximumTools) wanting.clear()
        wanting.set(pin, found)
        refuse(name, found)
        continue
      }
      // The schemas of a long list are not made in one go.
      yield* Effect.yieldNow
    }
    usable.set(name, { tool: name, pin, definition })
  }
  if (more || tools.length > maximumTools) {
    refused.push({ tool: "…", reason: `The server has more tools than the ${maximumTools} that are used of one.` })
  }
  return { usable, refused }
})

/** Of a definition that is too strange to be looked at in any other way. */
const hidesSecret = (redactor: Redactor["Service"], listed: ListedTool): boolean => {
  try {
    const text = JSON.stringify(definitionOf(listed))
    return redactor.redactText(text) !== text
  } catch {
    return true
  }
}

const schemaProblem = async ({ inputSchema, outputSchema }: ListedTool): Promise<string | undefined> => {
  const input = await makeCheck(inputSchema as object)
  if (typeof input === "string") return clipped(`Its input schema can't be used: ${input}`, 500)
  if (outputSchema === undefined) return undefined
  const output = await makeCheck(outputSchema as object)
  return typeof output === "string" ? clipped(`Its output schema can't be used: ${output}`, 500) : undefined
}
