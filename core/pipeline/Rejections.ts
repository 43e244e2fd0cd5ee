/**
 * Writes down what was refused before it was an event: a forged webhook, a mail that is no mail. Whoever sends such things
 * may send many: of the same kind at the same door ten a minute get a row of their own, the others are counted, and one row
 * at the end of the minute has their number.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { Audit } from "../audit/Audit.ts"
import { visible } from "../contract/Visible.ts"
import { newId } from "../database/Ids.ts"
import { Redactor } from "../secrets/Redactor.ts"

export interface Rejected {
  readonly channel: string
  readonly connector_id: string
  /** Dotted, stable: `hook.signature`. */
  readonly code: string
  /** A sentence. */
  readonly message: string
  readonly data?: Readonly<Record<string, string | number | boolean>> | undefined
}

export class Rejections extends Context.Service<Rejections, {
  /** Never fails: what can't be written down is in the log. */
  readonly reject: (rejected: Rejected) => Effect.Effect<void>
}>()("syris/pipeline/Rejections") {
  static readonly layer = Layer.effect(Rejections, Effect.suspend(() => make))
}

const minuteMs = 60_000
const rowsAMinute = 10
/** Kinds that are counted at once; the codes are the plugins' own words. */
const mostKinds = 1_000
const longest = 500
const mostFields = 20

interface Minute {
  readonly endsAt: number
  rows: number
  others: number
}

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const redactor = yield* Redactor
  const scope = yield* Effect.scope
  const minutes = new Map<string, Minute>()

  const write = Effect.fnUntraced(function*(rejected: Rejected, others?: number) {
    const { channel, code, connector_id, data = {}, message } = rejected
    const where = connector_id === channel ? channel : `${channel} (${connector_id})`
    // Before it is cut and made visible: what is left of a secret would not be known as one.
    const said = visible(redactor.redactText(message).slice(0, longest))
    yield* audit.append({
      type: "event.rejected",
      trace_id: newId(),
      at: new Date(yield* Clock.currentTimeMillis),
      summary: others === undefined
        ? `Something on ${where} was refused: ${said}`
        : `${others} more on ${where} were refused within a minute, as this one: ${said}`,
      data: {
        channel,
        connector_id,
        ...(others === undefined ? bounded(redactor.redactJson(data)) : { others }),
        error: { code, message: said, retryable: false }
      }
    }).pipe(
      Effect.catch((error) => Effect.logWarning(`What was refused on ${where} could not be noted: ${error.message}`))
    )
  })

  const close = (kind: string, minute: Minute, rejected: Rejected) =>
    Effect.suspend(() => {
      minutes.delete(kind)
      return minute.others === 0 ? Effect.void : write(rejected, minute.others)
    })

  const reject = Effect.fnUntraced(function*(rejected: Rejected) {
    const kind = `${rejected.connector_id} ${rejected.code}`.slice(0, longest)
    const now = yield* Clock.currentTimeMillis
    let minute = minutes.get(kind)
    if (minute === undefined || minute.endsAt <= now) {
      if (minute === undefined && minutes.size >= mostKinds) return
      if (minute !== undefined) yield* close(kind, minute, rejected)
      minute = { endsAt: now + minuteMs, rows: 0, others: 0 }
      minutes.set(kind, minute)
    }
    if (minute.rows < rowsAMinute) {
      minute.rows++
      return yield* write(rejected)
    }
    const own = minute
    if (own.others++ > 0) return
    yield* Effect.forkIn(
      Effect.delay(
        Effect.suspend(() => minutes.get(kind) === own ? close(kind, own, rejected) : Effect.void),
        own.endsAt - now
      ),
      scope
    )
  })

  yield* Effect.addFinalizer(() =>
    Effect.forEach(
      Array.from(minutes),
      ([kind, minute]) => {
        const [connector_id = "", code = ""] = kind.split(" ", 2)
        return close(kind, minute, { channel: connector_id, connector_id, code, message: "the host has ended since." })
      },
      { discard: true }
    )
  )
  return Rejections.of({ reject })
})

/** Small, and with no more than a row of the audit should hold. */
const bounded = (data: Readonly<Record<string, string | number | boolean>>) =>
  Object.fromEntries(
    Object.entries(data).slice(0, mostFields).map(([key, value]) => [
      visible(key.slice(0, 100)),
      typeof value === "string" ? visible(value.slice(0, longest)) : value
    ])
  )
