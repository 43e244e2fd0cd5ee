/**
 * The bearer token of this host: 256 bits, made at the first start, in `$SYRIS_HOME/token` for its owner alone.
 * Compared in constant time. Never logged, never in a URL.
 */
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import * as crypto from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"

export class TokenError extends Schema.TaggedError<TokenError>()("TokenError", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

export class Token extends Context.Service<Token, {
  readonly value: Redacted.Redacted
  /** Whether an `Authorization` header carries this token. */
  readonly matches: (authorization: string) => boolean
}>()("syris/http/Token") {
  static readonly layer = Layer.effect(
    Token,
    Effect.gen(function*() {
      const { home } = yield* Environment
      return Token.of(makeToken(yield* readToken(home)))
    })
  )
}

/** 256 bits in base64url. */
const shape = /^[A-Za-z0-9_-]{43}$/

const makeToken = (token: string): Token["Service"] => {
  const expected = Buffer.from(token, "latin1")
  const given = Buffer.alloc(expected.length)
  const length = "Bearer ".length + expected.length
  return {
    value: Redacted.make(token),
    matches: (authorization) => {
      // The length is no secret; what has it is compared whole.
      if (authorization.length !== length || !/^bearer /i.test(authorization)) return false
      given.write(authorization.slice(7), "latin1")
      return crypto.timingSafeEqual(given, expected)
    }
  }
}

const describe = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const readToken = Effect.fnUntraced(function*(home: string) {
  const file = path.join(home, "token")
  const attempt = <A>(work: () => A) =>
    Effect.try({
      try: work,
      catch: (cause) => new TokenError({ detail: `The token file ${file} can't be used: ${describe(cause)}.` })
    })
  const token = yield* attempt(() => {
    fs.mkdirSync(home, { recursive: true, mode: 0o700 })
    try {
      const made = crypto.randomBytes(32).toString("base64url")
      // Written beside and linked into place: nobody ever reads half a token, and the first of two hosts wins.
      const draft = `${file}.${crypto.randomBytes(6).toString("hex")}`
      fs.writeFileSync(draft, `${made}\n`, { mode: 0o600, flag: "wx", flush: true })
      try {
        fs.linkSync(draft, file)
      } finally {
        fs.unlinkSync(draft)
      }
      return made
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause
      return undefined
    }
  })
  if (token !== undefined) return token
  const stat = yield* attempt(() => fs.lstatSync(file))
  if (!stat.isFile()) {
    return yield* new TokenError({ detail: `${file} is not a plain file. Remove it, and a new token is made.` })
  }
  if ((stat.mode & 0o077) !== 0) {
    yield* attempt(() => fs.chmodSync(file, 0o600))
    yield* Effect.logWarning(
      `Other users could read the token file ${file}. It is yours alone again (mode 0600); if somebody else uses this machine, remove it and restart to get a new token.`
    )
  }
  const kept = (yield* attempt(() => fs.readFileSync(file, "utf8"))).trim()
  if (!shape.test(kept)) {
    return yield* new TokenError({ detail: `${file} does not hold a token. Remove it, and a new one is made.` })
  }
  return kept
})
