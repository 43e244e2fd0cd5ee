/**
 * Writes that arrive together share a statement and a commit.
 *
 * - Nothing is answered before its commit.
 * - Alone, a write does not wait: the first one starts at once, what arrives meanwhile is the next batch.
 * - Two writes of the same thing never share one: the statement would see neither of them done, and tell both.
 * - A row that the database refuses fails alone: its batch is tried again one by one.
 * - After a lost connection the same batch is sent again, so the statement must be harmless to repeat: rows keep their
 *   ids, and a repeat finds its own rows (docs/adr/0003).
 */
import { Cause, Effect, Exit, Schedule } from "effect"
import { SqlError } from "effect/sql"
import { isTransient } from "./Transient.ts"

interface Waiting<Item, A, E> {
  readonly item: Item
  readonly resume: (exit: Exit.Exit<A, E>) => void
}

/** Most rows in one statement. */
const maximumBatch = 200

/** A statement without an answer for so long is given up: its connection is dropped and it is sent again. */
const answerWithin = "10 seconds"

const noAnswer = new SqlError.SqlError({
  reason: new SqlError.ConnectionError({
    cause: new Error("no answer"),
    message: "The database did not answer within 10 seconds.",
    operation: "execute"
  })
})

/** A batch whose fate is not known is settled by sending it again, for at most about 15 s. */
const reconnect = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(
  Schedule.upTo({ duration: "15 seconds" })
)

export interface Options<Item> {
  /** What an item writes, by its id. Those that write the same go one after the other. Default: each writes something else. */
  readonly writes?: (item: Item) => string
  /**
   * So many batches may be under way at the same time, for items that don't depend on one another: while the database has one,
   * the next is made here. Default 1.
   */
  readonly atOnce?: number
}

/** Makes a writer. `commit` answers one result per item, in order, after its commit. */
export const make = <Item, A, E, R>(
  commit: (items: ReadonlyArray<Item>) => Effect.Effect<ReadonlyArray<A>, E, R>,
  { atOnce = 1, writes }: Options<Item> = {}
): Effect.Effect<(item: Item) => Effect.Effect<A, E | SqlError.SqlError>, never, R> =>
  Effect.map(Effect.context<R>(), (context) => {
    const run = Effect.runForkWith(context)
    let waiting: Array<Waiting<Item, A, E | SqlError.SqlError>> = []
    let busy = 0

    const settled = (items: ReadonlyArray<Item>) =>
      commit(items).pipe(
        Effect.timeoutOrElse({ duration: answerWithin, orElse: () => Effect.fail(noAnswer) }),
        Effect.retry({ schedule: reconnect, while: isTransient }),
        Effect.exit
      )

    const write = Effect.fnUntraced(function*(batch: ReadonlyArray<Waiting<Item, A, E | SqlError.SqlError>>) {
      const exit = yield* settled(batch.map((entry) => entry.item))
      if (Exit.isSuccess(exit)) {
        batch.forEach((entry, index) => entry.resume(Exit.succeed(exit.value[index] as A)))
      } else if (batch.length === 1 || isTransient(Cause.squash(exit.cause))) {
        for (const entry of batch) entry.resume(Exit.failCause(exit.cause))
      } else {
        for (const entry of batch) {
          entry.resume(Exit.map(yield* settled([entry.item]), (results) => results[0] as A))
        }
      }
    })

    const take = () => {
      const written = new Set<string>()
      const batch: typeof waiting = []
      const rest: typeof waiting = []
      for (const entry of waiting) {
        const what = writes?.(entry.item)
        if (batch.length === maximumBatch || (what !== undefined && written.has(what))) rest.push(entry)
        else batch.push(entry)
        if (what !== undefined) written.add(what)
      }
      waiting = rest
      return batch
    }

    const drain = Effect.gen(function*() {
      while (true) {
        const batch = take()
        if (batch.length === 0) {
          busy--
          return
        }
        yield* write(batch)
      }
    })

    return (item) =>
      Effect.callback<A, E | SqlError.SqlError>((resume) => {
        waiting.push({ item, resume })
        if (busy < atOnce) {
          busy++
          // Whatever is handed in at the same moment goes along.
          setImmediate(() => run(drain))
        }
      })
  })
