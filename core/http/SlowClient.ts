/** A client that reads more slowly than it is written to. */
import { Context, type Duration, Effect } from "effect"
import type { ServerResponse } from "node:http"

/** How much waits for one, and for how long. */
export const StreamLimits = Context.Reference("syris/http/StreamLimits", {
  defaultValue: () => ({ buffered: 1024 * 1024, patience: "10 seconds" as Duration.Input })
})

const drained = (response: ServerResponse) =>
  Effect.callback<void>((resume) => {
    const done = () => resume(Effect.void)
    response.once("drain", done)
    return Effect.sync(() => response.off("drain", done))
  })

/** Waits while too much waits for the client; the connection of one that takes too little of it in its time is cut. */
export const makeWhileBehind = Effect.gen(function*() {
  const { buffered, patience } = yield* StreamLimits
  return Effect.fnUntraced(function*(response: ServerResponse) {
    if (response.writableLength <= buffered) return
    const read = yield* Effect.timeoutOption(drained(response), patience)
    if (read._tag === "None") response.destroy()
  })
})
