/**
 * Which database errors pass by themselves: a lost connection, a server that starts, stops or is full, a deadlock.
 * All of them ended the transaction or left its fate unknown; the same idempotent write may be sent again.
 */
import { SqlError } from "effect/sql"

const passing = /^(08|57P|53|40)/

const codeOf = (cause: unknown): string => {
  let current = cause
  for (let depth = 0; depth < 5 && typeof current === "object" && current !== null; depth++) {
    if ("code" in current && typeof current.code === "string") return current.code
    current = "cause" in current ? current.cause : undefined
  }
  return ""
}

export const isTransient = (error: unknown): boolean =>
  SqlError.isSqlError(error) && (error.isRetryable || passing.test(codeOf(error.reason)))
