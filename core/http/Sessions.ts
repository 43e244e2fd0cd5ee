/**
 * Browsers that are logged in. A one-time code, made for whoever has the token, becomes a session; a cookie names it, and
 * only the cookie's hash is kept: in memory, where every request is checked, and in `$SYRIS_HOME/sessions` (`SessionFile.ts`),
 * so that a restart of the host logs nobody out. Codes live in memory alone.
 *
 * Codes and cookies are looked up by their SHA-256, so how long a look takes says nothing of what would have been right.
 */
import { Clock, Context, Effect, Layer, Schedule } from "effect"
import * as crypto from "node:crypto"
import type { ServerResponse } from "node:http"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import {
  maximumSessions,
  readSessions,
  type Session,
  sessionLifetime,
  SessionsNotKept,
  writeSessions
} from "./SessionFile.ts"

export interface LoginCode {
  readonly code: string
  readonly expiresAt: number
  /** Where a browser begins: the code stands behind the `#`, which no browser sends and no log has. */
  readonly url: string
}

export interface Begun {
  readonly session: Session
  /** The whole `Set-Cookie`. */
  readonly cookie: string
}

/** Where the host listens. */
interface Listening {
  readonly url: string
  readonly port: number
}

export class Sessions extends Context.Service<Sessions, {
  /** Says where the host listens: a browser sends its cookies to every port, so the name of ours has it. */
  readonly listening: (where: Listening) => void
  readonly makeCode: () => LoginCode
  /** Takes a code, which is good once; `undefined` for one that is not good. What is given back can make it good again. */
  readonly takeCode: (code: string) => (() => void) | undefined
  /** No code that was made is good any more. */
  readonly dropCodes: () => void
  /** Begins one, in place of another where a browser had one. */
  readonly begin: (instead?: Session) => Effect.Effect<Begun, SessionsNotKept>
  /** The session that a header `Cookie` names; no other cookie counts. */
  readonly named: (header: string | undefined) => Session | undefined
  /** All that live. */
  readonly all: () => ReadonlyArray<Session>
  /**
   * Ends them, and whatever is being answered to them but `asking`. They are over in any case; it fails where that could not
   * be written down yet.
   */
  readonly end: (sessions: ReadonlyArray<Session>, asking?: ServerResponse) => Effect.Effect<void, SessionsNotKept>
  /** The answer belongs to the session: it is broken off when the session is over. */
  readonly hold: (session: Session, response: ServerResponse) => void
  /** Ends what has expired, and writes down what could not be. The host does it every minute. */
  readonly sweep: () => void
  /** The `Set-Cookie` that takes the cookie away. */
  readonly noCookie: () => string
}>()("syris/http/Sessions") {
  static readonly layer = Layer.effect(
    Sessions,
    Effect.gen(function*() {
      const { home } = yield* Environment
      const clock = yield* Clock.Clock
      const file = path.join(home, "sessions")
      const kept = readSessions(file, clock.currentTimeMillisUnsafe())
      if (kept.mistake !== undefined) yield* Effect.logWarning(kept.mistake)
      const sessions = makeSessions(file, kept.sessions, () => clock.currentTimeMillisUnsafe())
      yield* Effect.forkScoped(
        Effect.delay(Effect.sync(() => sessions.sweep()), "1 minute").pipe(Effect.repeat(Schedule.forever))
      )
      return Sessions.of(sessions)
    })
  )
}

const codeLifetime = 5 * 60_000
/** Codes that are good at once; the oldest makes room. */
const maximumCodes = 20
/** Another program on this machine may set cookies of our name, too: a wrong one hides no right one. */
const cookiesLookedAt = 8

/** Digits and letters that nobody takes for one another: 5 bits each. */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

/** 120 bits, as in `k3m9x2-80qzrt-…`. */
const newCode = (): string =>
  Array.from(crypto.randomBytes(24), (byte, i) => `${i > 0 && i % 6 === 0 ? "-" : ""}${alphabet[byte & 31]}`).join("")

/** However somebody typed it. */
const plainCode = (code: string): string =>
  code.toLowerCase().replaceAll(/[\s-]/g, "").replaceAll("o", "0").replaceAll(/[il]/g, "1")

const hashOf = (text: string): string => crypto.createHash("sha256").update(text).digest("base64url")

const makeSessions = (
  file: string,
  known: ReadonlyArray<Session>,
  now: () => number
): Sessions["Service"] => {
  const sessions = new Map(known.map((session) => [session.hash, session]))
  const codes = new Map<string, number>()
  const held = new Map<string, Set<ServerResponse>>()
  let where: Listening | undefined

  const listens = (): Listening => {
    if (where === undefined) throw new Error("The host does not listen yet.")
    return where
  }
  const cookieName = (): string => `syris_session_${listens().port}`
  const cookie = (value: string, seconds: number): string =>
    `${cookieName()}=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${seconds}`
  /** What the file says is not what is so. */
  let owed = false
  const write = (): void => {
    owed = true
    writeSessions(file, [...sessions.values()])
    owed = false
  }
  const keep = Effect.try({
    try: write,
    catch: (cause) => cause instanceof SessionsNotKept ? cause : new SessionsNotKept({ detail: String(cause) })
  })

  const breakOff = (hash: string, asking?: ServerResponse): void => {
    for (const response of held.get(hash) ?? []) if (response !== asking) response.destroy()
    held.delete(hash)
  }
  const isAlive = ({ expiresAt }: Session): boolean => expiresAt > now()

  const sweep = (): void => {
    for (const session of sessions.values()) {
      if (isAlive(session)) continue
      sessions.delete(session.hash)
      breakOff(session.hash)
    }
    for (const [hash, expiresAt] of codes) if (expiresAt <= now()) codes.delete(hash)
  }
  /** Whoever logged out must not be back after the next start. */
  const catchUp = (): void => {
    try {
      if (owed) write()
    } catch {
      // It was said when it happened; the next look tries again.
    }
  }

  return {
    listening: (given) => {
      where = given
    },
    makeCode: () => {
      sweep()
      const code = newCode()
      const expiresAt = now() + codeLifetime
      for (const oldest of codes.keys()) if (codes.size >= maximumCodes) codes.delete(oldest)
      codes.set(hashOf(plainCode(code)), expiresAt)
      return { code, expiresAt, url: `${listens().url}/#${code}` }
    },
    takeCode: (code) => {
      const hash = hashOf(plainCode(code))
      const expiresAt = codes.get(hash)
      if (expiresAt === undefined) return undefined
      codes.delete(hash)
      return expiresAt <= now() ? undefined : () => void codes.set(hash, expiresAt)
    },
    dropCodes: () => codes.clear(),
    begin: (instead) =>
      Effect.suspend(() => {
        sweep()
        const value = crypto.randomBytes(32).toString("base64url")
        const session = { hash: hashOf(value), begunAt: now(), expiresAt: now() + sessionLifetime }
        if (instead !== undefined) sessions.delete(instead.hash)
        const over = [...sessions.keys()].slice(0, Math.max(0, sessions.size - maximumSessions + 1))
        for (const hash of over) sessions.delete(hash)
        sessions.set(session.hash, session)
        for (const hash of over) breakOff(hash)
        if (instead !== undefined) breakOff(instead.hash)
        return keep.pipe(
          Effect.tapError(() => Effect.sync(() => sessions.delete(session.hash))),
          Effect.as({ session, cookie: cookie(value, sessionLifetime / 1_000) })
        )
      }),
    named: (header) => {
      if (header === undefined || sessions.size === 0) return undefined
      const name = `${cookieName()}=`
      const values = header.split(";").map((pair) => pair.trim()).filter((pair) => pair.startsWith(name))
      for (const pair of values.slice(0, cookiesLookedAt)) {
        const session = sessions.get(hashOf(pair.slice(name.length)))
        if (session !== undefined && isAlive(session)) return session
      }
      return undefined
    },
    all: () => [...sessions.values()].filter(isAlive),
    end: (over, asking) =>
      Effect.suspend(() => {
        for (const { hash } of over) {
          sessions.delete(hash)
          breakOff(hash, asking)
        }
        return keep
      }),
    hold: ({ hash }, response) => {
      const responses = held.get(hash) ?? new Set()
      held.set(hash, responses.add(response))
      response.once("close", () => responses.delete(response))
    },
    sweep: () => {
      sweep()
      catchUp()
    },
    noCookie: () => cookie("", 0)
  }
}
