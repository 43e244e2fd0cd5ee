/**
 * The last of what a server wrote to its standard error, for the operator: known secrets redacted before anything is cut,
 * invisible characters written out.
 *
 * One that writes without end costs next to nothing: above a rate only the last of it is kept as it came, and looked at when
 * somebody wants to see it, or when it writes less again.
 */
import { StringDecoder } from "node:string_decoder"
import { visibleLines } from "../contract/Visible.ts"
import type { Redaction } from "../secrets/Redactor.ts"

/** What is kept, characters. */
const maximumTail = 16_384
/** What is read in one window, bytes; of more than that the last. */
const maximumRead = 65_536
const lastOfMuch = 8_192
/** What is taken in one window at all, bytes. */
const maximumTaken = 8 * 1_048_576
const windowMs = 1_000
/** Bytes of a character, at most. */
const characterBytes = 3

interface Much {
  readonly chunks: Array<Buffer>
  /** Bytes of those. */
  kept: number
  /** Of all that came. */
  bytes: number
}

export class StderrTail {
  readonly #redaction: Redaction
  readonly #now: () => number
  #decoder = new StringDecoder("utf8")
  #pieces: ReturnType<Redaction["redactPieces"]>
  #tail = ""
  #window: number
  #inWindow = 0
  /** The last of what is too much, and how much that was; nothing while it is not. */
  #much: Much | undefined

  constructor(redaction: Redaction, now: () => number = () => performance.now()) {
    this.#redaction = redaction
    this.#now = now
    this.#window = now()
    this.#pieces = redaction.redactPieces()
  }

  /** How long nothing more should be taken from it, milliseconds. */
  push(chunk: Buffer): number {
    const now = this.#now()
    if (now - this.#window >= windowMs) {
      const isLess = this.#inWindow <= maximumRead || now - this.#window >= 2 * windowMs
      this.#window = now
      this.#inWindow = 0
      if (isLess) this.#catchUp()
    }
    this.#inWindow += chunk.length
    if (this.#much === undefined && this.#inWindow > maximumRead) {
      // What is held back here may be the beginning of a secret, the rest of which is not looked at.
      this.#pieces = this.#redaction.redactPieces()
      this.#decoder = new StringDecoder("utf8")
      this.#much = { chunks: [], kept: 0, bytes: 0 }
    }
    if (this.#much === undefined) this.#keep(this.#pieces.push(this.#decoder.write(chunk)))
    else this.#keepLast(this.#much, chunk)
    return this.#inWindow > maximumTaken ? Math.max(1, this.#window + windowMs - now) : 0
  }

  end(): void {
    this.#catchUp()
    if (this.#much === undefined) this.#keep(this.#pieces.push(this.#decoder.end()) + this.#pieces.end())
  }

  text(): string {
    const last = this.#much === undefined
      ? ""
      : this.#lastOf(this.#much, this.#redaction.redactPieces(), new StringDecoder("utf8"))
    const shown = visibleLines(this.#tail + last).join("\n").trimEnd()
    return shown.length <= maximumTail ? shown : shown.slice(-maximumTail)
  }

  lastLine(): string | undefined {
    return this.text().split("\n").findLast((line) => line.trim() !== "")
  }

  #keep(text: string): void {
    const tail = this.#tail + text
    this.#tail = tail.length <= maximumTail ? tail : tail.slice(-maximumTail).toWellFormed()
  }

  /**
   * What goes before the part that is shown: a secret that began before it ends in the first half of this, and what is held
   * back of its second half begins after that.
   */
  #marginBytes(): number {
    return 2 * characterBytes * this.#redaction.longest()
  }

  #keepLast(much: Much, chunk: Buffer): void {
    much.chunks.push(chunk)
    much.bytes += chunk.length
    much.kept += chunk.length
    const wanted = lastOfMuch + this.#marginBytes()
    while (much.kept - much.chunks[0]!.length >= wanted) much.kept -= much.chunks.shift()!.length
  }

  #lastOf(
    { bytes, chunks, kept }: Much,
    pieces: ReturnType<Redaction["redactPieces"]>,
    decoder: StringDecoder
  ): string {
    const from = Math.max(this.#marginBytes(), kept - lastOfMuch)
    const left = `\n… ${bytes - kept + Math.min(from, kept)} bytes left out\n`
    if (from > kept) return left
    const all = Buffer.concat(chunks, kept)
    pieces.push(decoder.write(all.subarray(0, from)))
    const last = pieces.push(decoder.write(all.subarray(from)))
    if (bytes - kept + from === 0) return last
    // From the beginning of a line, where there is one.
    const line = last.indexOf("\n") + 1
    return left + (line === last.length ? last : last.slice(line))
  }

  #catchUp(): void {
    if (this.#much === undefined || this.#much.kept < this.#marginBytes()) return
    this.#keep(this.#lastOf(this.#much, this.#pieces, this.#decoder))
    this.#much = undefined
  }
}
