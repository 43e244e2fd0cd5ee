/** Cuts a stream of bytes into lines, none longer than its bound; each when it is asked for, however many have come at once. */

/** Longest line, bytes. */
export const maximumLineBytes = 10 * 1_048_576

export class Lines {
  /** What was not looked at yet. */
  #chunks: Array<Buffer> = []
  /** Where in the first of them. */
  #at = 0
  /** Of the line that is not whole yet. */
  #pieces: Array<Buffer> = []
  #bytes = 0

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
  }

  /** The next line that is whole. Throws a sentence's end where one is too long. */
  next(): Buffer | undefined {
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      const end = chunk.indexOf(10, this.#at)
      this.#keep(chunk.subarray(this.#at, end === -1 ? chunk.length : end))
      if (end === -1 || end + 1 === chunk.length) {
        this.#chunks.shift()
        this.#at = 0
      } else {
        this.#at = end + 1
      }
      if (end === -1) continue
      const line = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.#bytes)
      this.#pieces = []
      this.#bytes = 0
      return line
    }
    return undefined
  }

  clear(): void {
    this.#chunks = []
    this.#at = 0
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
