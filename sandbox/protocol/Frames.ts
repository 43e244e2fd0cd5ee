/**
 * Frames of a pipe: four bytes of length, big-endian, then so many bytes of JSON in UTF-8. Runs on both sides, so it knows no
 * Node.
 *
 * - A frame has at most 1 MiB; whoever sends a longer length is cut off before anything of it is kept.
 * - What is read is plain JSON of bounded depth; nothing else of it is believed here.
 */

/** Bytes of one frame, without its length. */
export const maximumFrame = 1_048_576

/** The other side does not keep to the protocol. The message is a sentence's end: "it sent a frame of …". */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError"
}

// What a plugin does to the globals later changes nothing here.
const { parse, stringify } = JSON
const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })

/** Throws a `RangeError` where it is too long. */
export const encodeFrame = (message: unknown): Uint8Array => {
  const body = encoder.encode(stringify(message))
  if (body.length > maximumFrame) {
    throw new RangeError(`A message has ${body.length} bytes, and may have ${maximumFrame}.`)
  }
  const frame = new Uint8Array(4 + body.length)
  new DataView(frame.buffer).setUint32(0, body.length)
  frame.set(body, 4)
  return frame
}

/** Pieces that are kept apart: a frame that comes in single bytes must not cost an object for each. */
const maximumChunks = 1_024

/** Puts frames together from the pieces in which they come. */
export class FrameReader {
  #chunks: Array<Uint8Array> = []
  #length = 0

  /** Bytes that wait for their frame to be whole. */
  get waiting(): number {
    return this.#length
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#chunks.length > maximumChunks) this.#join()
  }

  /** The next message, `undefined` where it is not whole yet. Throws a `ProtocolError`. */
  next(): { readonly message: unknown; readonly bytes: number } | undefined {
    if (this.#length < 4) return undefined
    const head = this.#peek(4)
    const size = new DataView(head.buffer, head.byteOffset, 4).getUint32(0)
    if (size > maximumFrame) {
      throw new ProtocolError(`it sent a frame of ${size} bytes, and ${maximumFrame} are the most`)
    }
    if (this.#length < 4 + size) return undefined
    const body = this.#take(4 + size).subarray(4)
    try {
      return { message: parse(decoder.decode(body)) as unknown, bytes: size }
    } catch {
      throw new ProtocolError("it sent what is no JSON")
    }
  }

  #peek(size: number): Uint8Array {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= size) return first
    return this.#join()
  }

  #take(size: number): Uint8Array {
    const first = this.#peek(size)
    const all = first.length >= size ? first : this.#join()
    if (all.length === size) this.#chunks.shift()
    else this.#chunks[0] = all.subarray(size)
    this.#length -= size
    return all.subarray(0, size)
  }

  #join(): Uint8Array {
    const all = new Uint8Array(this.#length)
    let at = 0
    for (const chunk of this.#chunks) {
      all.set(chunk, at)
      at += chunk.length
    }
    this.#chunks = [all]
    return all
  }
}
