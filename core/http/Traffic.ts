/**
 * Counts what passes the front door, in plain numbers: `GET /metrics` collects them.
 */
import { Context, Layer } from "effect"

export class Traffic extends Context.Service<Traffic, {
  readonly request: (route: string) => void
  readonly refusal: (code: string) => void
  readonly stream: (change: 1 | -1) => void
  readonly openStreams: () => number
  /** What was counted since the last take. */
  readonly takeRequests: () => ReadonlyMap<string, number>
  readonly takeRefusals: () => ReadonlyMap<string, number>
}>()("syris/http/Traffic") {
  static readonly layer = Layer.sync(Traffic, () => {
    let requests = new Map<string, number>()
    let refusals = new Map<string, number>()
    let streams = 0
    return {
      request: (route) => void requests.set(route, (requests.get(route) ?? 0) + 1),
      refusal: (code) => void refusals.set(code, (refusals.get(code) ?? 0) + 1),
      stream: (change) => void (streams += change),
      openStreams: () => streams,
      takeRequests: () => {
        const taken = requests
        requests = new Map()
        return taken
      },
      takeRefusals: () => {
        const taken = refusals
        refusals = new Map()
        return taken
      }
    }
  })
}
