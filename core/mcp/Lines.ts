/** Cuts a stream of bytes into lines, none longer than its bound. */

/** Longest line, bytes. */
export const maximumLineBytes = 10 * 1_048_576

export class Lines {
  #pieces: Array<Buffer> = []
  #bytes = 0

  /** The lines that are whole now. Throws a sentence's end where one is too long. */
  push(chunk: Buffer): ReadonlyArray<Buffer> {
    const lines: Array<Buffer> = []
    let from = 0
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, at))
      lines.push(this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.#bytes))
      this.clear()
      from = at + 1
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from))
    return lines
  }

  clear(): void {
    this.#pieces = []
    this.#bytes = 0
  }

  #keep(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#bytes > maximumLineBytes) {
      this.clear()
      throw new LineTooLong(`it sent a line of more than ${maximumLineBytes / 1_048_576} MiB`)
    }
  }
}

export class LineTooLong extends Error {}
