/**
 * Tells the inbox of this host that there may be something to claim. A hint: the inbox looks by itself, too.
 */
import { Context, Layer } from "effect"

export class InboxWake extends Context.Service<InboxWake, {
  readonly wake: () => void
  /** Whoever looks after the inbox. One at a time. */
  readonly onWake: (listener: () => void) => void
}>()("syris/pipeline/InboxWake") {
  static readonly layer = Layer.sync(InboxWake, () => {
    let listener = () => {}
    return {
      wake: () => listener(),
      onWake: (next) => {
        listener = next
      }
    }
  })
}
