/**
 * The last of what a server wrote to its standard error, for the operator: known secrets redacted before anything is cut,
 * invisible characters written out.
 */
import { StringDecoder } from "node:string_decoder"
import { visibleLines } from "../contract/Visible.ts"
import type { Redaction } from "../secrets/Redactor.ts"

/** What is kept, characters. */
const maximumTail = 16_384

export class StderrTail {
  readonly #decoder = new StringDecoder("utf8")
  readonly #pieces: ReturnType<Redaction["redactPieces"]>
  #tail = ""

  constructor(redaction: Redaction) {
    this.#pieces = redaction.redactPieces()
  }

  push(chunk: Buffer): void {
    this.#keep(this.#pieces.push(this.#decoder.write(chunk)))
  }

  end(): void {
    this.#keep(this.#pieces.push(this.#decoder.end()) + this.#pieces.end())
  }

  text(): string {
    const shown = visibleLines(this.#tail).join("\n").trimEnd()
    return shown.length <= maximumTail ? shown : shown.slice(-maximumTail)
  }

  lastLine(): string | undefined {
    return this.text().split("\n").findLast((line) => line.trim() !== "")
  }

  #keep(text: string): void {
    const tail = this.#tail + text
    this.#tail = tail.length <= maximumTail ? tail : tail.slice(-maximumTail).toWellFormed()
  }
}
