/** A look of a watcher: what it emits is kept until it has ended, and crosses with the state that it leaves. */
import { isTooLong, NotPlainJson, toPlainJson } from "../../core/plugin/PlainJson.ts"
import type { WatcherContext, WatcherEvent } from "../../core/plugin/Plugin.ts"
import type { TickAnswer } from "../protocol/Answers.ts"
import { plain } from "./Boundary.ts"
import { basics, type Surroundings } from "./Contexts.ts"

export const tick = async (
  around: Surroundings,
  look: (context: WatcherContext) => Promise<unknown>
): Promise<TickAnswer> => {
  const emitted: Array<unknown> = []
  let over = false
  const context: WatcherContext = {
    ...basics(around),
    emit: (event: WatcherEvent) => {
      if (over) throw new Error("The tick is over: emit before it ends.")
      emitted.push(plainEvent(event))
    }
  }
  try {
    const given = await look(context)
    return { ...stateOf(given), emitted: emitted as TickAnswer["emitted"] }
  } finally {
    over = true
  }
}

const plainEvent = (event: unknown): unknown => {
  const json = plain("An event that it emitted", event)
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new Error("An event that it emitted is not an object, such as { text: \"…\" }.")
  }
  if (isTooLong(json)) throw new Error("An event that it emitted is longer than 1 MiB.")
  return json
}

const stateOf = (given: unknown): { readonly state?: TickAnswer["state"] & {} } => {
  if (given === undefined) return {}
  try {
    const state = toPlainJson(given)
    if (isTooLong(state)) throw new Error("Its state is longer than 1 MiB. Keep less.")
    return { state: state as never }
  } catch (error) {
    throw error instanceof NotPlainJson ? new Error(`Its state ${error.message}. Give back plain JSON.`) : error
  }
}
