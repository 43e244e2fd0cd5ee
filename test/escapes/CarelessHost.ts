/**
 * The control for what is said to the host: one that speaks the same protocol and believes all of it. It falls for each attack
 * that the real one does not.
 */

type Message = Readonly<Record<string, any>>

const merge = (into: any, from: any): any => {
  for (const key of Object.keys(from)) {
    if (typeof from[key] === "object" && from[key] !== null && typeof into[key] === "object") {
      merge(into[key], from[key])
    } else into[key] = from[key]
  }
  return into
}

/** Longest that it sets aside, so that the test's own process lives. */
const mostBytes = 2 ** 30

export class CarelessHost {
  readonly asks: Readonly<Record<string, any>> = {
    secret: () => "the secret",
    emit: (event: object) => merge({}, event)
  }
  readonly #answers: Record<number, unknown> = {}
  /** What was set aside for a frame that was announced. */
  setAside = 0
  overflowed = false

  /** Asks the other side under an id, and believes whatever is there. */
  request(id: number, truth: unknown): unknown {
    return Object.hasOwn(this.#answers, id) ? this.#answers[id] : truth
  }

  /** The answer, or nothing for what wants none. */
  receive(message: Message): Message | undefined {
    const { id, method, params, result } = message
    if (method === undefined) {
      this.#answers[Number(id)] = result
      return undefined
    }
    try {
      const given: unknown = method === "ask" ? this.asks[params.method](...params.args) : (this as any)[method]?.()
      return { id, result: given ?? null }
    } catch (error) {
      if (error instanceof RangeError) this.overflowed = true
      return { id, error: { message: String(error) } }
    }
  }

  shutdown(): string {
    return "it ended for everybody"
  }

  /** Bytes as they come from a pipe. */
  read(bytes: Uint8Array): void {
    if (bytes.length < 4) return
    const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
    this.setAside = Buffer.allocUnsafe(Math.min(size, mostBytes)).length
    try {
      this.receive(JSON.parse(Buffer.from(bytes.subarray(4, 4 + size)).toString()) as Message)
    } catch {
      // It goes on, whatever came.
    }
  }
}
