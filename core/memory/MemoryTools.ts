/**
 * The host's own tools for memory: remember, recall, forget. They are there whatever the operator configures, and act only in
 * the host's database, in the transaction of their outcome.
 *
 * - A memory is as good as the words that made it: the worst of their trace. Recalled, it makes what follows no better.
 * - Nobody forgets what is trusted more than the words that ask for it.
 * - A text with a secret that the host knows is refused before anybody is asked.
 */
import { Effect, Schema } from "effect"
import { appendRows, toRow } from "../audit/Audit.ts"
import { Trust } from "../contract/Enums.ts"
import type { Memory } from "../contract/Memory.ts"
import { version } from "../health/Version.ts"
import { CallOrigin } from "../plugin/CallOrigin.ts"
import { trustedBy } from "../plugin/OutputTrust.ts"
import { definePlugin } from "../plugin/Plugin.ts"
import { defineTool, ToolRefused } from "../plugin/Tool.ts"
import { worst, worstOf } from "../safety/Provenance.ts"
import { isMarked, type Redaction } from "../secrets/Redactor.ts"
import { byId, fitting, newest, withWords } from "./MemorySearch.ts"
import { memorySentences } from "./MemorySentences.ts"
import { erase, keep, longestText, noteRecall } from "./MemoryStore.ts"
import { memoriesInWords } from "./MemoryWords.ts"
import { sameWords } from "./Words.ts"

type Hidden = Pick<Redaction, "redactText">

const Said = Schema.Struct({ message: Schema.String, memory_id: Schema.String })

const origin = Effect.flatMap(
  CallOrigin,
  (found) => found === undefined ? Effect.die(new Error("A memory tool ran outside of a call.")) : Effect.succeed(found)
)

const hasSecret = "it holds a secret, and a secret is no memory: keep it with syris secrets set NAME KEY"

const remember = (hidden: Hidden) => {
  // What was taken out on its way here left its mark.
  const isFree = (text: string) => (hidden.redactText(text) === text && !isMarked(text)) || hasSecret
  return defineTool({
    name: "memory.remember",
    description:
      "Keep a fact for later, in one or two sentences that make sense by themselves. Only what was said; never a secret.",
    input: Schema.Struct({
      text: Schema.String.check(
        Schema.isMaxLength(longestText),
        Schema.makeFilter((text: string) => text.trim() !== "" || "it has no words"),
        Schema.makeFilter(isFree)
      ),
      /** Words that it is found by besides. */
      tags: Schema.optionalKey(
        Schema.Array(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(50), Schema.makeFilter(isFree)))
          .check(Schema.isMaxLength(10))
      )
    }),
    output: Said,
    effect: "write",
    risk: "low",
    scopes: ["memory.write"],
    guarantee: "transactional",
    preview: ({ text }) => `would remember: ${text}`,
    run: ({ tags = [], text }, ctx) =>
      Effect.gen(function*() {
        // Between the check of the input and now it may have become known.
        if ([text, ...tags].some((one) => isFree(one) !== true)) {
          return yield* Effect.fail(new ToolRefused(`I can't remember that: ${hasSecret}.`))
        }
        const by = yield* origin
        const { known, memory_id } = yield* keep({
          text: text.trim(),
          tags: [...new Set(tags)],
          origin: by,
          at: ctx.now()
        })
        // A stranger is not told what is known.
        const knows = known && by.trust !== "untrusted"
        return { message: knows ? "I know that already." : "I will remember that.", memory_id }
      })
  })
}

const Found = Schema.Struct({
  message: Schema.String,
  memories: Schema.Array(Schema.Struct({
    memory_id: Schema.String,
    text: Schema.String,
    tags: Schema.Array(Schema.String),
    trust: Trust,
    channel: Schema.String,
    actor_id: Schema.String,
    remembered_at: Schema.String
  }))
})

const foundOf = ({ created_at, labels, memory_id, source, tags, text }: Memory) => ({
  memory_id,
  text,
  tags,
  trust: labels.trust,
  channel: source.channel,
  actor_id: source.actor_id,
  remembered_at: created_at
})

const recall = (timeZone: string) =>
  trustedBy(
    defineTool({
      name: "memory.recall",
      description:
        "Find what was remembered: by the words that it may have, what can be trusted first, then the best; or without a query " +
        "the newest. Each says when it was remembered, from where, and how far it can be trusted.",
      input: Schema.Struct({
        query: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(1_000))),
        limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 })))
      }),
      output: Found,
      effect: "read",
      risk: "low",
      scopes: ["memory.read"],
      guarantee: "transactional",
      // The worst that it can be: what it found says how far it can be trusted.
      trust: "untrusted",
      run: ({ limit = 5, query }, ctx) =>
        Effect.gen(function*() {
          const found = yield* query === undefined
            ? newest({ limit })
            : fitting({ question: query, limit, trustedFirst: true })
          yield* noteRecall(found, ctx.now())
          return { message: memoriesInWords(query, found, timeZone), memories: found.map(foundOf) }
        })
    }),
    ({ memories }) => worstOf(memories.map(({ trust }) => trust))
  )

/**
 * The one that is meant: by its words, all of them in their order, or by the end of its id. Of those that whoever asks may
 * forget, where they are a stranger, who is not told what else there is.
 */
const theOne = Effect.fnUntraced(function*(which: string, trust: Trust) {
  const wanted = which.trim()
  const close = yield* withWords(wanted, 50)
  const same = close.filter(({ text }) => text === wanted)
  const exact = same.length > 0 ? same : close.filter(({ text }) => sameWords(text) === sameWords(wanted))
  const all = exact.length > 0 ? exact : /^[0-9a-f-]{6,36}$/i.test(wanted) ? yield* byId(wanted) : []
  const found = trust === "untrusted" ? all.filter(({ labels }) => labels.trust === trust) : all
  const [one, ...others] = found
  if (one === undefined && trust === "untrusted") {
    return yield* Effect.fail(
      new ToolRefused(
        "On words that are untrusted nothing is forgotten but what is untrusted, and nothing of that has exactly these words: " +
          "ask for it in the chat, or: syris memory forget ID"
      )
    )
  }
  if (one === undefined) {
    return yield* Effect.fail(
      new ToolRefused(
        "I remember nothing in exactly these words. Ask \"what do you remember about …\" for the words, or forget it by its id."
      )
    )
  }
  if (others.length > 0) {
    const ids = found.slice(0, 5).map(({ memory_id }) => memory_id.slice(-12)).join(", ")
    return yield* Effect.fail(new ToolRefused(`Which one? There are several: ${ids}. Give the end of its id.`))
  }
  return one
})

const forget = (hidden: Hidden) =>
  defineTool({
    name: "memory.forget",
    description: "Forget one memory for good: by its exact words, or by its id or the end of it.",
    input: Schema.Struct({ which: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(longestText)) }),
    output: Said,
    effect: "write",
    risk: "low",
    scopes: ["memory.write"],
    guarantee: "transactional",
    preview: ({ which }) => `would forget: ${which}`,
    run: ({ which }, ctx) =>
      Effect.gen(function*() {
        const { actor_id, event_id, task_id, tool_call_id, trust } = yield* origin
        const { labels, memory_id } = yield* theOne(which, trust)
        if (worst(labels.trust, trust) !== labels.trust) {
          return yield* Effect.fail(
            new ToolRefused(
              `What is ${labels.trust} is not forgotten on words that are ${trust}: ask for it in the chat, or: ` +
                `syris memory forget ${memory_id.slice(-12)}`
            )
          )
        }
        const gone = yield* erase(memory_id, {
          trace_id: ctx.traceId,
          refs: { event_id, tool_call_id, ...(task_id === undefined ? {} : { task_id }) },
          actor: hidden.redactText(actor_id),
          at: ctx.now(),
          tell: (fact) => appendRows([toRow(fact)])
        })
        if (!gone) return yield* Effect.fail(new ToolRefused("It was forgotten a moment ago."))
        return { message: "It is forgotten.", memory_id }
      })
  })

/** Part of the host; see `HostPlugins`. */
export const memoryTools = (hidden: Hidden) =>
  definePlugin({
    name: "memory",
    version,
    setup: ({ timezone }) => ({ tools: [remember(hidden), recall(timezone), forget(hidden)], intents: memorySentences })
  })()
