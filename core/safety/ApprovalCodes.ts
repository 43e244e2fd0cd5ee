/**
 * Codes by which a question that was sent to the operator is answered: each good for one answer, on the connector that it
 * went out on.
 *
 * - A code is made when its question is about to be sent, and is nowhere but in that message: what is stored is a slow hash
 *   (scrypt), so that whoever reads the database would need longer than an approval lives. See docs/adr/0012.
 * - While one may be used it is a known secret of this host: what a tool echoes, logs or throws of it is redacted.
 * - Whoever guesses is counted in the database, whatever host hears it: after 5 wrong codes in 10 minutes answers on that
 *   connector are refused for 10 minutes.
 */
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import * as crypto from "node:crypto"
import { Redactor } from "../secrets/Redactor.ts"

/** Crockford's: without I, L, O and U. */
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/** 5 bits each. */
const symbols = 8

/** As a person writes it: `ABCD-EFGH`. */
const shown = (bare: string): string => `${bare.slice(0, 4)}-${bare.slice(4)}`

/**
 * Never digits alone, which would be hidden wherever a number or a date has them; and never without a digit that nobody takes
 * for a letter, so that no word with a dash in it looks like a code.
 */
export const makeCode = (): string => {
  const bare = Array.from(crypto.randomBytes(symbols), (byte) => alphabet[byte & 31]).join("")
  return /[A-Z]/.test(bare) && /[2-9]/.test(bare) ? shown(bare) : makeCode()
}

/** What a person may have made of it: lower case, without the dash, `O` for `0`. */
export const bareCode = (given: string): string =>
  given.slice(0, 100).toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1")

/** At most so many wrong codes within `windowMs`; then no answer is taken for `refusedMs`. */
export const mostWrong = 5
const windowMs = 600_000
const refusedMs = 600_000

/** Wrong answers to a lock that is on already: so many get a row in the audit. */
export const mostRefusalsTold = 5

/** Codes of this host that are looked for in what it writes. */
const mostHidden = 16

/** Some 30 ms and 16 MiB for each guess: 2^39 of them take a thousand processors half a year. */
const cost = { N: 16_384, r: 8, p: 1 } as const

const slowHash = (bare: string, salt: Buffer) =>
  Effect.callback<Buffer>((resume) =>
    crypto.scrypt(
      bare,
      salt,
      32,
      cost,
      (error, hash) => resume(error === null ? Effect.succeed(hash) : Effect.die(error))
    )
  )

/** A code that somebody has brought. */
export interface Brought {
  readonly bare: string
  readonly hash: Buffer
}

/** What it is worth. */
export type Judged =
  | { readonly _tag: "Known"; readonly approval_id: string; readonly use: Effect.Effect<void, SqlError.SqlError> }
  | { readonly _tag: "Used" }
  /** `wrong`: how many there were lately, this one included. `until`: from now on answers are refused. */
  | { readonly _tag: "Wrong"; readonly wrong: number; readonly until?: Date }
  /** Not even looked at. `refused`: how many there were since. */
  | { readonly _tag: "Refused"; readonly until: Date; readonly refused: number }

export class ApprovalCodes extends Context.Service<ApprovalCodes, {
  /** A new code for an approval on a connector. Nobody has it but the caller. */
  readonly issue: (approval_id: string, connector_id: string) => Effect.Effect<string, SqlError.SqlError>
  /** Takes a while, so before the transaction of `judge`. */
  readonly read: (connector_id: string, given: string) => Effect.Effect<Brought, SqlError.SqlError>
  /**
   * Looks a code up and counts it where it is wrong. In the caller's transaction, which has to commit; until then every other
   * answer on the connector waits. `use` uses the code up.
   */
  readonly judge: (connector_id: string, brought: Brought) => Effect.Effect<Judged, SqlError.SqlError>
}>()("syris/safety/ApprovalCodes") {
  static readonly layer = Layer.effect(ApprovalCodes, Effect.suspend(() => make))
}

interface Guard {
  readonly wrong: number
  readonly refused_until: Date | null
  readonly over: boolean
}

interface Stored {
  readonly code_hash: Uint8Array
  readonly approval_id: string
  readonly used: boolean
}

const make = Effect.gen(function*() {
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient
  const salts = new Map<string, Buffer>()
  const issued: Array<string> = []
  const heard: Array<string> = []

  const hide = (label: string, list: Array<string>, bare: string): void => {
    list.push(bare)
    list.splice(0, list.length - mostHidden)
    redactor.renew(label, list.flatMap((one) => [Redacted.make(shown(one)), Redacted.make(one)]))
  }

  /** The same for all hosts. */
  const saltOf = Effect.fnUntraced(function*(connector_id: string) {
    const known = salts.get(connector_id)
    if (known !== undefined) return known
    yield* sql`
      insert into code_guards (connector_id, salt) values (${connector_id}, ${crypto.randomBytes(16)})
      on conflict do nothing`
    const [row] = yield* sql<{ readonly salt: Uint8Array }>`
      select salt from code_guards where connector_id = ${connector_id}`
    const salt = Buffer.from(row?.salt ?? [])
    salts.set(connector_id, salt)
    return salt
  })

  const issue = Effect.fnUntraced(function*(approval_id: string, connector_id: string) {
    const code = makeCode()
    const bare = bareCode(code)
    hide("approval.code", issued, bare)
    const hash = yield* slowHash(bare, yield* saltOf(connector_id))
    yield* sql`
      insert into approval_codes (code_hash, approval_id, connector_id)
      values (${hash}, ${approval_id}::uuid, ${connector_id})`
    // Of one that is over it is still said for a day what became of it.
    yield* sql`
      delete from approval_codes c
      where c.connector_id = ${connector_id} and c.made_at < clock_timestamp() - interval '1 day'
        and not exists (select 1 from approvals a
                        where a.approval_id = c.approval_id and a.status = 'pending'
                          and a.expires_at > clock_timestamp())`
    return code
  })

  const read = Effect.fnUntraced(function*(connector_id: string, given: string) {
    const bare = bareCode(given)
    return { bare, hash: yield* slowHash(bare, yield* saltOf(connector_id)) } satisfies Brought
  })

  /** Another host may have made it, and whoever brings it may hand it on as an event. */
  const keepHidden = ({ bare }: Brought): void => {
    if (bare.length === symbols && /[A-Z]/.test(bare)) hide("approval.answer", heard, bare)
  }

  const judge = Effect.fnUntraced(function*(connector_id: string, brought: Brought): Effect.fn.Return<
    Judged,
    SqlError.SqlError
  > {
    const { hash } = brought
    yield* sql`select 1 from code_guards where connector_id = ${connector_id} for update`
    // In a snapshot of its own, after the lock.
    const [guard] = yield* sql<Guard>`
      select (select count(*)::int from unnest(wrong) at
              where at > clock_timestamp() - ${windowMs}::int * interval '1 millisecond') as wrong,
             refused_until, coalesce(refused_until <= clock_timestamp(), true) as over
      from code_guards
      where connector_id = ${connector_id}`
    if (guard !== undefined && guard.refused_until !== null && !guard.over) {
      keepHidden(brought)
      const [row] = yield* sql<{ readonly refused: number }>`
        update code_guards set refused = refused + 1 where connector_id = ${connector_id} returning refused`
      return { _tag: "Refused", until: guard.refused_until, refused: row?.refused ?? 0 }
    }
    const stored = yield* sql<Stored>`
      select code_hash, approval_id, used_at is not null as used
      from approval_codes
      where connector_id = ${connector_id}`
    // All of them, however early one fits: how long it takes says nothing.
    let found: Stored | undefined
    for (const one of stored) if (crypto.timingSafeEqual(one.code_hash, hash)) found = one
    if (found !== undefined) keepHidden(brought)
    if (found?.used === true) return { _tag: "Used" }
    if (found !== undefined) {
      const { approval_id } = found
      const use = Effect.asVoid(sql`
        update approval_codes set used_at = clock_timestamp() where code_hash = ${hash} and used_at is null`)
      return { _tag: "Known", approval_id, use }
    }
    const wrong = (guard?.wrong ?? 0) + 1
    if (wrong < mostWrong) {
      yield* sql`
        update code_guards
        set wrong = array(select at from unnest(wrong) at
                          where at > clock_timestamp() - ${windowMs}::int * interval '1 millisecond')
                    || clock_timestamp(),
            refused_until = null
        where connector_id = ${connector_id}`
      return { _tag: "Wrong", wrong }
    }
    const [row] = yield* sql<{ readonly refused_until: Date }>`
      update code_guards
      set wrong = '{}', refused = 0,
          refused_until = clock_timestamp() + ${refusedMs}::int * interval '1 millisecond'
      where connector_id = ${connector_id}
      returning refused_until`
    return { _tag: "Wrong", wrong, ...(row === undefined ? {} : { until: row.refused_until }) }
  })

  return ApprovalCodes.of({ issue, read, judge })
})
