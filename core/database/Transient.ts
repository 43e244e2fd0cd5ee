/**
 * Which database errors pass by themselves: a lost connection, a server that starts, stops or is full, a deadlock.
 * All of them ended the transaction or left its fate unknown; the same idempotent write may be sent again.
 */
import { SqlError } from "effect/sql"

const passing = /^(08|57P|53|40|25006|58)/

const codeOf = (cause: unknown): string => {
  let current = cause
  for (let depth = 0; depth < 5 && typeof current === "object" && current !== null; depth++) {
    if ("code" in current && typeof current.code === "string") return current.code
    current = "cause" in current ? current.cause : undefined
  }
  return ""
}

/** The database read the statement and refused what is in it: a wrong value, a broken rule, too much. */
export const isRefusal = (error: unknown): boolean =>
  SqlError.isSqlError(error) && /^(22|23|54|25P02|SY)/.test(codeOf(error.reason))

/** What the schema itself says of a statement that it refused, as a sentence for a person; nothing where it was not the schema. */
export const refusalOf = (error: unknown): string | undefined => {
  if (!SqlError.isSqlError(error) || !codeOf(error.reason).startsWith("SY")) return undefined
  let root: unknown = error
  while (root instanceof Error && root.cause instanceof Error) root = root.cause
  return root instanceof Error ? root.message : undefined
}

export const isTransient = (error: unknown): boolean =>
  SqlError.isSqlError(error) && (error.isRetryable || passing.test(codeOf(error.reason)))

/** Of transactions that waited for one another this one was ended: nothing of it is there, and the same may be done again. */
export const isRolledBack = (error: unknown): boolean =>
  SqlError.isSqlError(error) && codeOf(error.reason).startsWith("40")
