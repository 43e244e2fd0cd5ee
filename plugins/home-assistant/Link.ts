/**
 * One connection to Home Assistant: signed in, with the house's states and registries kept up to date for as long as it lasts.
 *
 * - It is never mended: a link that is lost says why, and whoever wants one opens another.
 * - Nothing is sent twice. A question that was not sent and one that was not answered are different errors.
 */
import { Connection } from "home-assistant-js-websocket"
import type { Log } from "syris"
import { type Directory, makeDirectory, type Place } from "./Directory.ts"
import { microsOf } from "./Instant.ts"
import { isState, readEvent, rowsOf } from "./Heard.ts"
import { openSocket } from "./Socket.ts"
import { NoConnection } from "./Trouble.ts"
import type {
  AreaRow,
  DeviceRow,
  EntityRow,
  FloorRow,
  HaEvent,
  HaState,
  HouseConfig,
  Registries,
  StateChanged
} from "./Wire.ts"
import { isHaError, wordsOf } from "./Wire.ts"

const answerMs = 10_000
const loadMs = 30_000
/** A peer from which nothing came between four pings is dead: 16 seconds at most. */
const pingEveryMs = 4_000
const silentPings = 3

/** It was sent, and nobody knows what became of it. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer"
}

export interface LinkOptions {
  readonly url: URL
  readonly token: string
  readonly signal: AbortSignal
  readonly log: Log
  /** Besides those that keep the states up to date; what comes is for `listen`. */
  readonly events?: ReadonlyArray<string>
  readonly pingMs?: number
}

export interface Link {
  readonly host: string
  readonly config: HouseConfig
  /** As of now. */
  readonly states: ReadonlyMap<string, HaState>
  /** As they were when the link was made. */
  readonly snapshot: ReadonlyArray<HaState>
  readonly directory: () => Directory
  /** Where an entity is, as the registries have it. */
  readonly areaOf: (entityId: string) => Place | undefined
  /** Throws `NoConnection`, `NoAnswer` or Home Assistant's own error. */
  readonly ask: <A>(message: { readonly type: string; readonly [key: string]: unknown }, ms?: number) => Promise<A>
  /** Events that came since the link began to be made, then each that comes: to one listener. */
  readonly listen: (listener: (event: HaEvent) => void) => ReadonlyArray<HaEvent>
  /** Told after a state was written. */
  readonly onState: (listener: () => void) => () => void
  readonly isAlive: () => boolean
  /** Why it is no more; does not come before that. */
  readonly lost: Promise<NoConnection>
  readonly close: () => void
}

const registryEvents = [
  "area_registry_updated",
  "device_registry_updated",
  "entity_registry_updated",
  "floor_registry_updated"
]

export const openLink = async (options: LinkOptions): Promise<Link> => {
  const { events = [], log, pingMs = pingEveryMs, signal, token, url } = options
  const { host } = url
  const opened = await openSocket(url, token, signal)
  const connection = new Connection(opened.socket, {
    setupRetry: 0,
    createSocket: () => Promise.reject(new Error("A link is opened once."))
  })
  let why: NoConnection | undefined
  const asked = new Set<(why: NoAnswer) => void>()
  let tellLost: (why: NoConnection) => void = () => {}
  const lost = new Promise<NoConnection>((resolve) => tellLost = resolve)
  const end = (reason: NoConnection): void => {
    if (why !== undefined) return
    why = reason
    clearInterval(pings)
    clearTimeout(reload)
    for (const fail of asked) fail(new NoAnswer(reason.message))
    signal.removeEventListener("abort", stop)
    // From here on it does not connect again by itself.
    connection.close()
    tellLost(reason)
  }
  const stop = (): void => end(new NoConnection(`The connection to Home Assistant at ${host} was closed.`))
  connection.addEventListener(
    "disconnected",
    () => end(new NoConnection(`The connection to Home Assistant at ${host} was lost.`))
  )
  signal.addEventListener("abort", stop, { once: true })

  let [silent, lastHeard] = [0, opened.heardAt()]
  // By ticks and not by the clock: a host that was busy for long has not read what came meanwhile.
  const pings = setInterval(() => {
    const heard = opened.heardAt()
    silent = heard === lastHeard ? silent + 1 : 0
    lastHeard = heard
    if (silent < silentPings) return void connection.ping().catch(() => {})
    end(new NoConnection(`Home Assistant at ${host} has not answered for ${Math.round(silent * pingMs / 1_000)} s.`))
  }, pingMs)

  const ask: Link["ask"] = async <A>(message: { readonly type: string }, ms = answerMs): Promise<A> => {
    if (why !== undefined || !connection.connected) {
      throw why ?? new NoConnection(`There is no connection to Home Assistant at ${host}.`)
    }
    const { promise, reject, resolve } = Promise.withResolvers<A>()
    const late = new NoAnswer(`Home Assistant at ${host} did not answer within ${Math.round(ms / 1_000)} s.`)
    const timer = setTimeout(() => reject(late), ms)
    asked.add(reject)
    connection.sendMessagePromise<A>({ ...message }).then(resolve, reject)
    try {
      return await promise
    } catch (error) {
      if (error instanceof Error || (isHaError(error) && typeof error.code === "string")) throw error
      // The library's own numbers: as an answer for what was sent, bare for what was not.
      if (typeof error === "number") throw new NoConnection(`There is no connection to Home Assistant at ${host}.`)
      throw new NoAnswer(`The connection to Home Assistant at ${host} was lost before it answered.`)
    } finally {
      clearTimeout(timer)
      asked.delete(reject)
    }
  }

  const states = new Map<string, HaState>()
  const listeners = new Set<() => void>()
  let early: Array<HaEvent> | undefined = events.length === 0 ? undefined : []
  let listener: ((event: HaEvent) => void) | undefined
  let directory: Directory | undefined
  let registries: Registries = { areas: [], floors: [], devices: [], entities: [] }

  let places: ReadonlyMap<string, Place> = new Map()

  const keep = ({ entity_id, new_state }: StateChanged): void => {
    const before = states.get(entity_id)
    if (new_state === null) states.delete(entity_id)
    else states.set(entity_id, new_state)
    if (before?.attributes["friendly_name"] !== new_state?.attributes["friendly_name"] || before === undefined) {
      directory = undefined
    }
    for (const tell of listeners) tell()
  }
  let [junk, toldJunk] = [0, -Infinity]
  const leaveOut = (what: string): void => {
    junk++
    if (performance.now() - toldJunk < 60_000) return
    toldJunk = performance.now()
    log.warn(`${what} of Home Assistant at ${host} can't be read and was left out.`, { left_out: junk })
  }
  const onEvent = (heard: unknown): void => {
    if (why !== undefined) return
    const event = readEvent(heard)
    if (event === undefined) return leaveOut("An event")
    if (event.event_type === "state_changed") keep(event.data as unknown as StateChanged)
    if (listener !== undefined) listener(event)
    else early?.push(event)
  }

  let reload: NodeJS.Timeout | undefined
  const loadRegistries = async (): Promise<void> => {
    const list = async <A>(type: string, id: keyof A & string): Promise<ReadonlyArray<A>> => {
      try {
        return rowsOf<A>(await ask({ type }, loadMs), id)
      } catch (error) {
        // An older house has no floors, for one.
        if (isHaError(error)) return []
        throw error
      }
    }
    const [areas, floors, devices, entities] = await Promise.all([
      list<AreaRow>("config/area_registry/list", "area_id"),
      list<FloorRow>("config/floor_registry/list", "floor_id"),
      list<DeviceRow>("config/device_registry/list", "id"),
      list<EntityRow>("config/entity_registry/list", "entity_id")
    ])
    registries = { areas, floors, devices, entities: await withAliases(entities) }
    directory = undefined
    const named = new Map(areas.map(({ area_id, name }) => [area_id, { id: area_id, name }]))
    const byDevice = new Map(devices.map(({ area_id, id }) => [id, area_id]))
    places = new Map(entities.flatMap(({ area_id, device_id, entity_id }) => {
      const place = named.get(area_id ?? byDevice.get(device_id ?? "") ?? "")
      return place === undefined ? [] : [[entity_id, place]]
    }))
  }
  const withAliases = async (entities: ReadonlyArray<EntityRow>): Promise<ReadonlyArray<EntityRow>> => {
    const entity_ids = entities.filter((row) => row.disabled_by == null).map((row) => row.entity_id)
    if (entity_ids.length === 0) return entities
    try {
      const full = await ask<Readonly<Record<string, EntityRow | null>>>(
        { type: "config/entity_registry/get_entries", entity_ids },
        loadMs
      )
      return entities.map((row) => full?.[row.entity_id] ?? row)
    } catch (error) {
      if (isHaError(error)) return entities
      throw error
    }
  }
  const onRegistry = (): void => {
    clearTimeout(reload)
    reload = setTimeout(() => {
      loadRegistries().catch((error: unknown) =>
        log.warn(`The names of the house were not read anew: ${wordsOf(error)}`)
      )
    }, 250)
  }

  const subscribe = async (type: string, told: (event: unknown) => void, optional = false): Promise<void> => {
    // The library waits for its answer for ever, also over the end of the connection.
    const { promise, reject, resolve } = Promise.withResolvers<unknown>()
    const timer = setTimeout(
      () => reject(new NoAnswer(`Home Assistant at ${host} does not say what happens.`)),
      answerMs
    )
    asked.add(reject)
    connection.subscribeEvents<unknown>(told, type).then(resolve, reject)
    try {
      await promise
    } catch (error) {
      if (!isHaError(error)) throw error
      if (optional) return
      throw new NoConnection(
        error.code === "unauthorized"
          ? `Home Assistant lets only administrators listen for ${type}: make the token as one, or leave ${type} out of events.`
          : `Home Assistant refused to tell of ${type}: ${wordsOf(error)}`
      )
    } finally {
      clearTimeout(timer)
      asked.delete(reject)
    }
  }

  try {
    if (signal.aborted) stop()
    await Promise.all([
      ...[...new Set(["state_changed", ...events])].map((type) => subscribe(type, onEvent)),
      ...registryEvents.map((type) => subscribe(type, onRegistry, true))
    ])
    const [config, given] = await Promise.all([
      ask<HouseConfig>({ type: "get_config" }, loadMs).catch((error: unknown): HouseConfig => {
        // Only shown: what does not say it is a house all the same.
        if (isHaError(error)) return { location_name: host, version: "of an unknown version" }
        throw error
      }),
      ask<unknown>({ type: "get_states" }, loadMs),
      loadRegistries()
    ])
    if (!Array.isArray(given)) throw new NoConnection(`What answers at ${host} does not say how the house is.`)
    const snapshot = given.filter(isState)
    if (snapshot.length < given.length) leaveOut(`${given.length - snapshot.length} of the states`)
    for (const state of snapshot) {
      const live = states.get(state.entity_id)
      if (live === undefined || microsOf(live.last_updated) < microsOf(state.last_updated)) {
        states.set(state.entity_id, state)
      }
    }
    return {
      host,
      config,
      states,
      snapshot,
      areaOf: (entityId) => places.get(entityId),
      directory: () => directory ??= makeDirectory(registries, states),
      ask,
      listen: (told) => {
        const came = early ?? []
        listener = told
        early = undefined
        return came
      },
      onState: (told) => {
        listeners.add(told)
        return () => void listeners.delete(told)
      },
      isAlive: () => why === undefined && connection.connected,
      lost,
      close: stop
    }
  } catch (error) {
    stop()
    if (isHaError(error)) throw new NoConnection(`Home Assistant at ${host} refused a question: ${wordsOf(error)}`)
    throw error instanceof NoAnswer ? new NoConnection(error.message) : error
  }
}
