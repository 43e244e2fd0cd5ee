/**
 * A stand-in for Home Assistant: its websocket API, written from HA's published documents, over a small house. A test holds
 * the house in its hands: it changes states, cuts connections, loses answers, and has the list of every call that came.
 * Not tried against the live service; `test/fixtures/home-assistant` has the frames that it is checked with.
 */
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { WebSocketServer } from "ws"
import { newContext, now } from "./home-assistant/Clock.ts"
import type { Command } from "./home-assistant/Commands.ts"
import { type Connected, serve } from "./home-assistant/Connection.ts"
import { furnish } from "./home-assistant/Furnishing.ts"
import { makeHouse } from "./home-assistant/House.ts"
import { noJournal, openJournal } from "./home-assistant/Journal.ts"
import { prepare } from "./home-assistant/ServiceCalls.ts"
import {
  type Attributes,
  type Context,
  type NewArea,
  type NewDevice,
  type NewEntity,
  type ServiceCall,
  ServiceError,
  type State,
  type Target
} from "./home-assistant/Types.ts"

export type { ServiceCall, State } from "./home-assistant/Types.ts"

export interface HomeAssistantOptions {
  readonly token: string
  /** Default: any free port, the same after each start. */
  readonly port?: number
  /** Besides those of the small house. */
  readonly entities?: ReadonlyArray<NewEntity>
  /** Without the small house. Default: with it. */
  readonly empty?: boolean
  /** How long a lock, a cover or an alarm is under way (`locking`, then `locked`). Default 0: it is there at once. */
  readonly transitionMs?: number
  readonly version?: string
  /** A file that keeps states and calls over the death of the process. */
  readonly journal?: string
}

/** One change of a state, as it was sent. */
export interface Change {
  readonly entity_id: string
  readonly state: string | null
  readonly time_fired: string
  readonly context_id: string
}

export interface HomeAssistantServer {
  /** `http://127.0.0.1:…`, for `homeAssistant({ url })`. */
  readonly url: string
  readonly token: string
  readonly states: ReadonlyMap<string, State>
  /** The state of one entity; throws where there is none. */
  readonly state: (entity_id: string) => string
  /** What `persistent_notification` shows, by its id. */
  readonly notifications: ReadonlyMap<string, { readonly title: string; readonly message: string }>
  /** Every service call that came, oldest first. */
  readonly calls: ReadonlyArray<ServiceCall>
  /** Every change of a state since it began to live, whoever made it. */
  readonly changes: ReadonlyArray<Change>
  /** Attributes go over those that it has. */
  readonly setState: (entity_id: string, state: string, attributes?: Attributes) => void
  readonly removeEntity: (entity_id: string) => void
  readonly fire: (event_type: string, data?: object) => void
  readonly addEntities: (...entities: ReadonlyArray<NewEntity>) => void
  readonly addArea: (area: NewArea) => void
  readonly addDevice: (device: NewDevice) => void
  /** The name that a person gave it, in the registry and in the states. */
  readonly nameEntity: (entity_id: string, name: string) => void
  readonly renameEntity: (entity_id: string, to: string) => void
  readonly setAlias: (entity_id: string, ...aliases: ReadonlyArray<string>) => void
  readonly moveToArea: (entity_id: string, area_id: string | null) => void
  /** Ends it; its states stay. */
  readonly stop: () => Promise<void>
  /**
   * On the same port. As in HA every state has new times and a new context, and none is said of as changed. `settling`: HA is
   * starting, and everything is `unavailable`, until `settle`.
   */
  readonly start: (options?: { readonly settling?: boolean }) => Promise<void>
  readonly settle: () => void
  /** Cuts every connection. */
  readonly drop: () => void
  /** Dead but connected, new connections too, until `speak`. */
  readonly silence: () => void
  readonly speak: () => void
  /** Silence for so long. */
  readonly freeze: (ms: number) => void
  readonly refuseAuth: (on: boolean) => void
  /** The next call of a service fails, nothing is done. */
  readonly failNextCall: (code: string, message?: string) => void
  /** Does what is called, and answers only with the probability `1 - p`; `cut`: the connection ends instead. */
  readonly loseAnswers: (p: number, how?: "silent" | "cut") => void
  readonly setTransition: (ms: number) => void
  /** How many clients are signed in. */
  readonly connections: () => number
  /**
   * Changes of state at a steady rate: each sets one of `entities` sensors to the number of the change, from 1. Answers how
   * many there were.
   */
  readonly flood: (options: {
    readonly rate: number
    readonly seconds: number
    readonly entities: number
  }) => Promise<number>
}

const userId = "31ddb597e03147118cf8d2f8fbea5553"

export const startHomeAssistant = async (options: HomeAssistantOptions): Promise<HomeAssistantServer> => {
  const { token, version = "2026.11.2" } = options
  const journal = options.journal === undefined ? noJournal : openJournal(options.journal)
  const kept = journal.read()
  const calls: Array<ServiceCall> = kept.flatMap((line) => "call" in line ? [line.call] : [])
  const changes: Array<Change> = []
  const failing: Array<ServiceError> = []
  const connected = new Set<Connected>()
  const sockets = new Set<Socket>()
  let port = options.port ?? 0
  let running = true
  let settle = (): void => {}
  let silent = false
  let refusing = false
  let lost = { p: 0, how: "silent" as "silent" | "cut" }
  let transitionMs = options.transitionMs ?? 0
  let recording = false
  let server: http.Server | undefined

  const house = makeHouse((entity_id, state) => {
    if (recording) journal.write(state === null ? { removed: entity_id } : { state })
  })
  const { registries } = house
  house.listen(({ event_type, data, time_fired, context }) => {
    if (event_type !== "state_changed") return
    const { entity_id, new_state } = data as { entity_id: string; new_state: State | null }
    changes.push({ entity_id, state: new_state?.state ?? null, time_fired, context_id: context.id })
  })
  if (options.empty !== true) furnish(house)
  options.entities?.forEach(house.add)
  for (const line of kept) {
    if ("state" in line) house.set(line.state.entity_id, line.state.state, line.state.attributes)
    if ("removed" in line) house.remove(line.removed)
    if ("entity" in line) house.add(line.entity)
    if ("area" in line) registries.addArea(line.area)
    if ("device" in line) registries.addDevice(line.device)
    if ("update" in line) registries.update(...line.update)
  }
  changes.length = 0
  recording = true

  const update = (entity_id: string, what: object): void => {
    journal.write({ update: [entity_id, what] })
    registries.update(entity_id, what)
  }

  const call = (command: Command, context: Context): object | undefined => {
    const { domain, service } = command as unknown as { domain: string; service: string }
    const service_data = (command["service_data"] ?? {}) as Attributes
    const target = (command["target"] ?? {}) as Target
    const answered = Math.random() >= lost.p
    const note = (entity_ids: ReadonlyArray<string>, outcome: string): void => {
      const noted = { at: now(), domain, service, service_data, target, entity_ids, context, outcome, answered }
      journal.write({ call: noted })
      calls.push(noted)
    }
    try {
      const failed = failing.shift()
      if (failed !== undefined) throw failed
      const prepared = prepare(house, domain, service, service_data, target)
      if (command["return_response"] === true) {
        throw new ServiceError(
          "service_validation_error",
          "Validation error: An action which does not return responses can't be called with return_response=True",
          { translation_domain: "homeassistant", translation_key: "service_does_not_support_response" }
        )
      }
      note(prepared.entity_ids, "done")
      house.fire("call_service", { domain, service, service_data: { ...service_data, ...target } }, context)
      prepared.run(context, transitionMs)
    } catch (error) {
      note([], error instanceof ServiceError ? error.code : "unknown_error")
      throw error
    }
    if (answered) return { context }
    if (lost.how === "cut") drop()
    return undefined
  }

  let lastEvent: object | undefined
  let lastText = ""
  const serving = {
    house,
    version,
    userId,
    running: () => running,
    admits: (given: unknown) => !refusing && given === token,
    call,
    textOf: (event: object) => {
      if (event !== lastEvent) lastText = JSON.stringify(event)
      lastEvent = event
      return lastText
    }
  }

  const api: http.RequestListener = (request, response) => {
    if (silent) return
    const known = !refusing && request.headers.authorization === `Bearer ${token}`
    const status = request.url !== "/api/" ? 404 : known ? 200 : 401
    response.writeHead(status, { "content-type": status === 200 ? "application/json" : "text/plain" })
    response.end(status === 200 ? `{"message":"API running."}` : `${status}: ${http.STATUS_CODES[status]}`)
  }

  const open = async (): Promise<void> => {
    const upgrades = new WebSocketServer({ noServer: true, maxPayload: 4 * 1024 * 1024 })
    server = http.createServer(api)
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
    })
    server.on("upgrade", (request, socket, head) => {
      // Whoever comes to a silent one waits, and gets no answer afterwards either.
      if (silent) return
      if (request.url !== "/api/websocket") return socket.end("HTTP/1.1 404 Not Found\r\n\r\n")
      upgrades.handleUpgrade(request, socket, head, (client) => {
        const connection = serve(client, serving, () => connected.delete(connection))
        connected.add(connection)
      })
    })
    server.listen(port, "127.0.0.1")
    await once(server, "listening")
    port = (server.address() as AddressInfo).port
  }

  const drop = (): void => {
    for (const connection of connected) connection.drop()
    for (const socket of sockets) socket.destroy()
  }
  const speak = (): void => {
    silent = false
    for (const connection of connected) connection.silence(false)
  }
  const silence = (): void => {
    silent = true
    for (const connection of connected) connection.silence(true)
  }

  await open()
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    states: house.states,
    state: (entity_id) => {
      const state = house.states.get(entity_id)
      if (state === undefined) throw new Error(`There is no entity ${entity_id}.`)
      return state.state
    },
    notifications: house.notifications,
    calls,
    changes,
    setState: (entity_id, state, attributes) => void house.set(entity_id, state, attributes),
    removeEntity: (entity_id) => {
      registries.remove(entity_id)
      house.remove(entity_id)
    },
    fire: (event_type, data = {}) => void house.fire(event_type, data),
    addEntities: (...entities) =>
      entities.forEach((entity) => {
        journal.write({ entity })
        house.add(entity)
      }),
    addArea: (area) => {
      journal.write({ area })
      registries.addArea(area)
    },
    addDevice: (device) => {
      journal.write({ device })
      registries.addDevice(device)
    },
    nameEntity: (entity_id, name) => {
      update(entity_id, { name })
      const state = house.states.get(entity_id)
      if (state !== undefined) house.set(entity_id, state.state, { friendly_name: name })
    },
    renameEntity: (entity_id, to) => {
      journal.write({ update: [entity_id, { entity_id: to }] })
      house.rename(entity_id, to)
    },
    setAlias: (entity_id, ...aliases) => update(entity_id, { aliases }),
    moveToArea: (entity_id, area_id) => update(entity_id, { area_id }),
    stop: async () => {
      const ending = server
      server = undefined
      if (ending === undefined) return
      house.fire("homeassistant_stop", {})
      const closed = once(ending, "close")
      ending.close()
      if (silent) speak()
      const left = [...sockets]
      for (const connection of connected) connection.close()
      setImmediate(() => setImmediate(() => left.forEach((socket) => socket.destroy())))
      await closed
    },
    start: async ({ settling = false } = {}) => {
      if (server !== undefined) return
      const before = new Map(house.states)
      house.restamp(
        settling
          ? ({ attributes }) => ({ state: "unavailable", attributes: { ...attributes, restored: true } })
          : undefined
      )
      running = !settling
      await open()
      if (running) return
      settle = () => {
        settle = () => {}
        for (const [entity_id, { state, attributes }] of before) {
          if (house.states.get(entity_id)?.state !== "unavailable") continue
          house.set(entity_id, state, { ...attributes, restored: undefined }, newContext())
        }
        running = true
        house.fire("homeassistant_started", {})
      }
    },
    settle: () => settle(),
    drop,
    silence,
    speak,
    freeze: (ms) => {
      silence()
      setTimeout(speak, ms).unref()
    },
    refuseAuth: (on) => {
      refusing = on
    },
    failNextCall: (code, message = "It did not answer.") => void failing.push(new ServiceError(code, message)),
    loseAnswers: (p, how = "silent") => {
      lost = { p, how }
    },
    setTransition: (ms) => {
      transitionMs = ms
    },
    connections: () => [...connected].filter((connection) => connection.authenticated()).length,
    flood: ({ rate, seconds, entities }) => {
      const began = performance.now()
      const total = Math.round(rate * seconds)
      let sent = 0
      return new Promise((resolve) => {
        const step = setInterval(() => {
          const due = Math.min(total, Math.floor((performance.now() - began) / 1_000 * rate))
          for (; sent < due; sent++) house.set(`sensor.flood_${sent % entities}`, String(sent + 1), { unit: "n" })
          if (sent < total) return
          clearInterval(step)
          resolve(sent)
        }, 5)
      })
    }
  }
}
