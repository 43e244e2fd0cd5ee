/**
 * Artifacts that come in pieces, put together again. Bounded, whatever is sent.
 */
import type { Bytes } from "./Answers.ts"

/** Of one artifact, 8 MiB as base64, and of all that are not whole together. */
const maximumText = Math.ceil(8_388_608 / 3) * 4
const maximumTogether = 2 * maximumText
const maximumOpen = 8

const base64 = /^[A-Za-z0-9+/]*={0,2}$/

export class Uploads {
  readonly #open = new Map<string, { readonly pieces: Array<string>; length: number }>()
  #together = 0

  /** Keeps a piece; throws an error whose message is a sentence. */
  add(invocation: number, upload: unknown, piece: unknown): void {
    if (!Number.isSafeInteger(upload) || typeof piece !== "string" || !base64.test(piece)) {
      throw new Error("A piece of an artifact has a number and is base64.")
    }
    const key = `${invocation} ${String(upload)}`
    const open = this.#open.get(key) ?? { pieces: [], length: 0 }
    if (open.length + piece.length > maximumText) {
      throw new Error("An artifact has at most 8 MiB, and this one has more.")
    }
    if (
      this.#together + piece.length > maximumTogether || (!this.#open.has(key) && this.#open.size >= maximumOpen)
    ) throw new Error("Too many artifacts are under way at once: wait for one before the next.")
    open.pieces.push(piece)
    open.length += piece.length
    this.#together += piece.length
    this.#open.set(key, open)
  }

  /** All of it, and forgets it. */
  take(invocation: number, given: unknown): string | Bytes {
    const [upload, kind] = Array.isArray(given) ? given as ReadonlyArray<unknown> : []
    const key = `${invocation} ${String(upload)}`
    const open = this.#open.get(key)
    if (open === undefined) throw new Error("There are no pieces of this artifact.")
    this.#forget(key, open.length)
    const text = open.pieces.join("")
    return kind === "text" ? Buffer.from(text, "base64").toString("utf8") : { "~bytes": text }
  }

  /** What an invocation left unfinished. */
  drop(invocation: number): void {
    for (const [key, { length }] of this.#open) if (key.startsWith(`${invocation} `)) this.#forget(key, length)
  }

  #forget(key: string, length: number): void {
    this.#open.delete(key)
    this.#together -= length
  }
}

/** The argument that stands for an artifact that came in pieces. */
export const piecesOf = (given: unknown): unknown =>
  typeof given === "object" && given !== null && Object.keys(given).length === 1 && Object.hasOwn(given, "~pieces")
    ? (given as { readonly "~pieces": unknown })["~pieces"]
    : undefined
