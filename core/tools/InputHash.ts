/**
 * The hash that an approval is bound to: of the input as JSON, whatever the order of its keys.
 */
import canonicalize from "canonicalize"
import { digest } from "../database/Ids.ts"

/** SHA-256 over the canonical JSON of an input, hex. */
export const hashOf = (json: unknown): string => digest(canonicalize(json) ?? "null")
