/** For the tests of the fallback: models that play a part, and chains of them. */
import { Effect } from "effect"
import type { Health } from "../health/Health.ts"
import {
  type Completion,
  type CompletionFailed,
  type CompletionProvider,
  type CompletionRequest,
  failed
} from "./CompletionProvider.ts"
import { makeFallback } from "./Fallback.ts"

/** What a model does when it is asked: writes, then fails, hangs or has answered. */
export interface Act {
  readonly writes?: ReadonlyArray<string>
  readonly fails?: CompletionFailed
  readonly hangs?: true
}

export const down: Act = { fails: failed("llm.unavailable", "It is down.") }
export const busy = (ms?: number): Act => ({ fails: failed("llm.rate_limited", "It is busy.", ms) })
export const wrong: Act = { fails: failed("llm.refused", "The key is wrong.") }
export const hangs: Act = { hangs: true }

export interface Actor {
  readonly provider: CompletionProvider
  readonly asked: () => number
  readonly givenUp: () => number
}

/** A model that plays these acts, one a question, and answers with its name after them. */
export const actor = (name: string, ...acts: ReadonlyArray<Act>): Actor => {
  const left = [...acts]
  let asked = 0
  let givenUp = 0
  const complete = ({ onText }: CompletionRequest): Effect.Effect<Completion, CompletionFailed> =>
    Effect.suspend(() => {
      asked++
      const { fails, hangs: waits, writes = [] } = left.shift() ?? { writes: [`I am ${name}.`] }
      for (const piece of writes) onText?.(piece)
      if (waits === true) return Effect.onInterrupt(Effect.never, () => Effect.sync(() => void givenUp++))
      if (fails !== undefined) {
        // One that does not know when it is over.
        setImmediate(() => onText?.("late"))
        return Effect.fail(fails)
      }
      return Effect.succeed({
        text: writes.join(""),
        calls: [],
        usage: { input_tokens: 1_000_000, output_tokens: 0 },
        model: `${name}-2026`,
        finish: "stop"
      })
    })
  return { provider: { model: name, complete }, asked: () => asked, givenUp: () => givenUp }
}

export const nobody: Pick<Health["Service"], "degrade" | "recover"> = {
  degrade: () => Effect.void,
  recover: () => Effect.void
}

export const chainOf = (health: typeof nobody, ...actors: readonly [Actor, ...ReadonlyArray<Actor>]) => {
  const [first, ...rest] = actors.map(({ provider }, i) => ({
    name: provider.model,
    provider,
    price: i === 1 ? { inputPerMillion: 3, outputPerMillion: 1 } : undefined
  }))
  return makeFallback([first!, ...rest], health)
}
export const chain = (...actors: readonly [Actor, ...ReadonlyArray<Actor>]) => chainOf(nobody, ...actors)

export const question: CompletionRequest = { messages: [{ role: "user", content: "Who are you?" }], tools: [] }
export const listening = () => {
  const heard: Array<string> = []
  return {
    heard,
    request: {
      ...question,
      onText: (delta: string) => void heard.push(delta),
      onRestart: () => void heard.push("RESTART")
    }
  }
}
/** Whatever was left to run has run: so many turns, whatever the clock says. */
export const settled = Effect.promise(async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
})
