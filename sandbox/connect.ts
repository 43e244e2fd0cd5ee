/**
 * The host's side of a conversation: what the other side says is counted, copied and checked before anything is done with it.
 *
 * - Only what is named in `Invocation.asks` can be asked, for that invocation, while it runs.
 * - What the other side begins by itself is limited in rate: beyond it, nothing is read for a while.
 * - Who does not keep to the protocol more than a hundred times is ended.
 */
import type { Schema } from "effect"
import { NotPlainJson, toPlainJson } from "../core/plugin/PlainJson.ts"
import { type Hearing, type Invocation, type IsolateEnd, IsolateLost } from "./Isolate.ts"
import { Allowance } from "./protocol/Allowance.ts"
import { code } from "./protocol/Messages.ts"
import { BadRequest, Peer } from "./protocol/Peer.ts"
import { piecesOf, Uploads } from "./protocol/Uploads.ts"
import type { Wire } from "./runtimes/Wire.ts"

/** Breaches that are answered and passed over. */
const maximumStrange = 100
/** Questions that wait for the host's answer: of one invocation, and of all. */
const maximumAsks = 64
const maximumAsksTogether = 256
/** Arguments of one question. */
const maximumArguments = 8
/** Bytes that wait to be read by the other side; beyond it nothing more is invoked. */
const maximumUnread = 8 * 1_048_576
/** Characters of a line, and of its fields as JSON. */
const longestLine = 8_192
const longestFields = 65_536

const levels = ["debug", "info", "warn", "error"] as const

export interface Connection {
  /** Has the plugin loaded; settles with what it says of itself, plain JSON that is not checked. */
  readonly initialize: (params: object) => Promise<unknown>
  readonly invoke: (invocation: Invocation) => Promise<Schema.Json | undefined>
  readonly shutdown: () => void
}

interface Running {
  readonly asks: Invocation["asks"]
  open: number
}

type Fields = Readonly<Record<string, unknown>>

export const connect = (wire: Wire, hearing: Hearing): Connection => {
  const running = new Map<number, Running>()
  const uploads = new Uploads()
  const allowance = new Allowance()
  let strange = 0
  let last = 0
  let pausedUntil = 0
  /** Of the message that is looked at. */
  let length = 0
  let timer: NodeJS.Timeout | undefined

  const breach = (words: string): void => {
    if (++strange <= maximumStrange) return
    void wire.kill({ code: "protocol", reason: `it broke the protocol ${strange} times: ${words}` })
  }

  const resume = (): void => {
    timer = undefined
    const left = pausedUntil - performance.now()
    if (left > 1) timer = setTimeout(resume, left)
    else wire.resume()
  }

  /** Of what the other side begins. */
  const count = (): void => {
    const wait = allowance.take(length)
    if (wait === 0) return
    pausedUntil = performance.now() + wait
    if (timer !== undefined) return
    wire.pause()
    timer = setTimeout(resume, wait)
  }

  const fieldsOf = (params: unknown): Fields => {
    if (typeof params !== "object" || params === null || Array.isArray(params)) {
      throw new BadRequest("it sent a message without its parts", code.invalidParams)
    }
    return params as Fields
  }
  const own = (fields: Fields, key: string): unknown => Object.hasOwn(fields, key) ? fields[key] : undefined

  /** Which function of which invocation, and with what. Nothing where the invocation has ended. */
  const asked = (params: unknown) => {
    const fields = fieldsOf(params)
    const invocation = own(fields, "invocation")
    const method = own(fields, "method")
    const args = own(fields, "args")
    if (typeof method !== "string" || !Array.isArray(args) || args.length > maximumArguments) {
      throw new BadRequest("it asked in a way that can't be read", code.invalidParams)
    }
    if (typeof invocation !== "number" || !(invocation >= 1 && invocation <= last)) {
      throw new BadRequest("it asked for an invocation that never was", code.invalidParams)
    }
    const of = running.get(invocation)
    if (of === undefined) return undefined
    const known = method === "artifact_piece" ? "artifact" : method
    if (!Object.hasOwn(of.asks, known)) throw new BadRequest(`there is no ${shown(method)} here`, code.notFound)
    try {
      return { of, invocation, method, ask: of.asks[known]!, args: args.map(toPlainJson) as ReadonlyArray<Schema.Json> }
    } catch (error) {
      if (!(error instanceof NotPlainJson)) throw error
      throw new BadRequest(`what it asked ${shown(method)} with ${error.message}`, code.invalidParams)
    }
  }

  const answer = async (params: unknown): Promise<unknown> => {
    const question = asked(params)
    if (question === undefined) throw new Error("This run is over: nothing can be asked for it any more.")
    const { args, ask, invocation, method, of } = question
    if (of.open >= maximumAsks || peer.asked > maximumAsksTogether) {
      throw new Error(`At most ${maximumAsks} questions of one run may be open at once: wait for one before the next.`)
    }
    of.open++
    try {
      if (method === "artifact_piece") {
        uploads.add(invocation, args[0], args[1])
        return null
      }
      const pieces = method === "artifact" ? piecesOf(args[0]) : undefined
      return await ask(
        ...pieces === undefined ? args : [uploads.take(invocation, pieces) as Schema.Json, ...args.slice(1)]
      )
    } finally {
      of.open--
    }
  }

  const tell = (params: unknown): void => {
    const question = asked(params)
    if (question === undefined) return
    const { args, ask } = question
    const failed = (error: unknown): void =>
      hearing.log({
        level: "warn",
        message: `${shown(question.method)} was refused: ${error instanceof Error ? error.message : String(error)}`,
        invocation: question.invocation
      })
    try {
      const given = ask(...args)
      if (given instanceof Promise) given.catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  const log = (params: unknown): void => {
    const fields = fieldsOf(params)
    const given = own(fields, "level")
    const level = levels.find((one) => one === given)
    const message = own(fields, "message")
    if (level === undefined || typeof message !== "string") throw new BadRequest("it logged what can't be read")
    const invocation = own(fields, "invocation")
    const more = loggedFields(own(fields, "fields"))
    hearing.log({
      level,
      message: message.slice(0, longestLine).replaceAll("\0", "␀").toWellFormed(),
      ...(more === undefined ? {} : { fields: more }),
      ...(typeof invocation === "number" && invocation >= 1 && invocation <= last ? { invocation } : {})
    })
  }

  const peer: Peer = new Peer({
    send: wire.send,
    strange: breach,
    readResult: (result) => {
      try {
        return toPlainJson(result)
      } catch (error) {
        if (!(error instanceof NotPlainJson)) throw error
        breach(`what it answered ${error.message}`)
        throw new Error(`What the isolate answered ${error.message}.`, { cause: error })
      }
    },
    request: (method, params) => {
      count()
      if (method !== "ask") throw new BadRequest(`there is no method ${shown(method)}`, code.notFound)
      return answer(params)
    },
    notification: (method, params) => {
      count()
      if (method === "log") log(params)
      else if (method === "tell") tell(params)
      else throw new BadRequest(`there is no method ${shown(method)}`, code.notFound)
    }
  })

  wire.receive((message, bytes) => {
    length = bytes
    peer.receive(message)
  })
  void wire.ended.then((end: IsolateEnd) => {
    clearTimeout(timer)
    peer.close(new IsolateLost(end))
  })

  const invoke = async (invocation: Invocation): Promise<Schema.Json | undefined> => {
    const { args, asks, facts, member, name, part, signal } = invocation
    if (signal.aborted) throw canceled()
    if (wire.unread() > maximumUnread) throw new Error("The isolate does not read what it is sent.")
    let id = 0
    const cancel = (): void => {
      try {
        peer.notify("cancel", { id })
      } catch {
        // It is over.
      }
      peer.giveUp(id, canceled())
    }
    try {
      return await peer.request("invoke", { part, name, member, args, facts }, (given) => {
        id = given
        last = Math.max(last, given)
        running.set(given, { asks, open: 0 })
        signal.addEventListener("abort", cancel, { once: true })
      }) as Schema.Json
    } finally {
      signal.removeEventListener("abort", cancel)
      running.delete(id)
      uploads.drop(id)
    }
  }

  return {
    initialize: (params) => peer.request("initialize", params, (given) => last = Math.max(last, given)),
    invoke,
    shutdown: () => {
      try {
        peer.notify("shutdown")
      } catch {
        // It is over.
      }
    }
  }
}

const canceled = (): Error => new DOMException("It was canceled.", "AbortError")

const shown = (text: string): string => text.slice(0, 64).replaceAll(/[^\x20-\x7e]/g, "?")

const loggedFields = (given: unknown): Record<string, unknown> | undefined => {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return undefined
  try {
    const json = toPlainJson(given) as Record<string, unknown>
    return JSON.stringify(json).length > longestFields ? undefined : json
  } catch {
    return undefined
  }
}
