/**
 * The channel's way in: listens to the house and hands over each change once, over lost connections and restarts.
 *
 * - What changed while nobody listened is found by the place that is kept, and handed over before what comes then.
 * - What a lost connection has brought is still handed over while the next one is opened.
 */
import type { ChannelContext, SecretOption } from "syris"
import { type Change, changeOf, messageId, otherEvent, stateEvent, whenOf } from "./Changes.ts"
import { type Feed, makeFeed, type Pressure } from "./Feed.ts"
import type { House } from "./House.ts"
import { microsOf } from "./Instant.ts"
import { type Link, openLink } from "./Link.ts"
import { fromKept, missed, toKeep } from "./Place.ts"
import { type HaEvent, type HaState, wordsOf } from "./Wire.ts"

const saveEveryMs = 3_000
/** An event that the host refuses so often, while it takes others, is left out. */
const mostRefusals = 5

type Heard = { readonly change: Change } | { readonly event: HaEvent }

export interface ListeningOptions {
  readonly house: House
  readonly token: SecretOption
  readonly connectorId: string
  readonly events: ReadonlyArray<string>
  readonly takes: (entityId: string) => boolean
  /** For tests. */
  readonly pingMs?: number
  readonly atOnce?: number
  readonly most?: number
}

/** How long a connection waits for what the one before has brought. */
const leftoverMs = 30_000

const tooLong = (ms: number): Promise<never> =>
  new Promise((_, reject) =>
    setTimeout(() => reject(new Error("The host is still busy with what happened in the house before.")), ms).unref()
  )

/** What the host says of an event that it takes never, as opposed to now. */
const isForGood = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "EventRejected"

const merge = (older: Heard, newer: Heard): Heard | undefined =>
  "change" in older && "change" in newer
    ? { change: { ...newer.change, before: older.change.before } }
    : undefined

export const makeListening = (options: ListeningOptions) => {
  const { connectorId, events, house, takes, token } = options
  /** As the last connection left it, and up to where it was kept. */
  let memory: { readonly states: ReadonlyMap<string, HaState>; readonly until: number } | undefined
  let leftover: Promise<void> = Promise.resolve()
  const refusals = new Map<string, number>()

  /** Hands one over; leaves one out that the host never takes, and writes that down. */
  const handTo = (ctx: ChannelContext, link: Link) => {
    let taken = 0
    const source = { connectorId, areaOf: link.areaOf, now: Date.now }
    return async (heard: Heard): Promise<void> => {
      const event = "change" in heard ? stateEvent(heard.change, source) : otherEvent(heard.event, source)
      try {
        await ctx.emit(event)
        taken++
      } catch (error) {
        const id = event.message_id!
        const count = (refusals.get(id) ?? 0) + 1
        if (refusals.size > 1_000) refusals.clear()
        refusals.set(id, count)
        if (!isForGood(error) && (count < mostRefusals || taken === 0)) throw error
        refusals.delete(id)
        const times = count === 1 ? "" : ` ${count} times`
        await ctx.reject({
          code: "ha_event.not_taken",
          message: `The host did not take a change of the house${times}: ${wordsOf(error)}`,
          data: { message_id: "change" in heard ? messageId(heard.change).slice(0, 300) : id.slice(0, 300) }
        })
      }
    }
  }

  return async (ctx: ChannelContext): Promise<void> => {
    const { log, signal } = ctx
    const link = await openLink({
      url: house.url,
      token: await ctx.secret(token),
      signal,
      log,
      events,
      ...(options.pingMs === undefined ? {} : { pingMs: options.pingMs })
    })
    let saving: NodeJS.Timeout | undefined
    try {
      await Promise.race([leftover, tooLong(leftoverMs)])
      const place = fromKept(await ctx.recall())
      const tell = ({ left, merged, over, waiting }: Pressure): void =>
        log.warn(
          over
            ? `Home Assistant: the host keeps up again; ${merged} changes were taken together with later ones.`
            : `Home Assistant: the host can't keep up. ${waiting} changes wait; of an entity, those in between are taken together.`,
          { waiting, merged, left_out: left }
        )
      const made: Feed<Heard> = makeFeed<Heard>({
        hand: handTo(ctx, link),
        merge,
        tell,
        ...(options.atOnce === undefined ? {} : { atOnce: options.atOnce }),
        ...(options.most === undefined ? {} : { most: options.most })
      })
      let [newest, dirty] = [place?.until ?? 0, true]
      const push = (change: Change): void => {
        const at = whenOf(change)
        ;[newest, dirty] = [at, true]
        if (takes(change.entity_id)) made.push({ lane: change.entity_id, at, value: { change } })
      }
      const take = (event: HaEvent): void => {
        if (event.event_type === "state_changed") return push(changeOf(event))
        made.push({ lane: `:${event.event_type}`, at: microsOf(event.time_fired), value: { event } })
      }

      // From here to the last of them nothing can come in between.
      const early = link.listen(take)
      const live = new Map<string, number>()
      for (const { at, id } of early.flatMap(momentOf)) if (!live.has(id)) live.set(id, at)
      const mine = memory !== undefined && memory.until === place?.until
      const found = missed(link.snapshot, { place, states: memory?.states, mine }, live)
      for (const change of found) push(change)
      // By the clock of now, should the house have had a wrong one.
      newest = link.snapshot.reduce((most, state) => Math.max(most, microsOf(state.last_updated)), 0)
      for (const event of early) take(event)

      let kept = place?.until ?? 0
      const save = async (): Promise<void> => {
        dirty = false
        const oldest = made.oldest()
        const until = oldest === undefined ? newest : Math.min(oldest - 1, newest)
        const handed = [...link.states.values()].filter(({ entity_id }) => !made.has(entity_id))
        await ctx.remember(toKeep(until, handed))
        kept = until
      }
      await save()
      house.listening(link)
      ctx.connected()
      log.info(`Listening to Home Assistant ${link.config.version} at ${link.host}.`, {
        entities: link.states.size,
        ...(place === undefined ? { first: true } : { found: found.length })
      })
      let busy = false
      saving = setInterval(() => {
        if (!dirty || busy) return
        busy = true
        save()
          .catch((error: unknown) => {
            dirty = true
            log.warn(`Home Assistant: the place was not kept: ${wordsOf(error)}`)
          })
          .finally(() => busy = false)
      }, saveEveryMs)

      const why = await Promise.race([
        link.lost,
        made.failed.then((error) => new Error(`The host does not take what happens in the house: ${wordsOf(error)}`))
      ])
      clearInterval(saving)
      let failed = false
      void made.failed.then(() => failed = true)
      const settled = signal.aborted ? made.end() : made.drain()
      leftover = settled.then(save).catch(() => {}).then(() => {
        // Without it the place alone says what was handed over.
        memory = failed || signal.aborted && made.waiting() > 0 ? undefined : { states: link.states, until: kept }
      })
      if (signal.aborted) return await leftover
      throw why
    } finally {
      clearInterval(saving)
      link.close()
      if (signal.aborted) house.close()
    }
  }
}

const momentOf = (event: HaEvent): ReadonlyArray<{ readonly id: string; readonly at: number }> => {
  if (event.event_type !== "state_changed") return []
  const change = changeOf(event)
  return [{ id: change.entity_id, at: whenOf(change) }]
}
