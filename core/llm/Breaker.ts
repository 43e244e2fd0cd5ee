/**
 * Whether a model is asked. After 5 failures in a row it is tripped for 30 seconds; then one question is its probe, and each
 * probe that fails doubles the time, up to 5 minutes. An answer ends it, whoever asked.
 *
 * Effect's own breaker admits nobody while it is open; here whoever has no other model asks all the same.
 */

const failuresToTrip = 5
const shortestMs = 30_000
const longestMs = 300_000

/** `passed_over`: it is tripped, or its probe is still out. */
export type Admission = "ask" | "probe" | "passed_over"

export class Breaker {
  #failures = 0
  #forMs = 0
  #dueAt: number | undefined
  #probing = false

  /** When it may be asked again, where it is tripped; milliseconds since the epoch. */
  get dueAt(): number | undefined {
    return this.#dueAt
  }

  admit(now: number): Admission {
    if (this.#dueAt === undefined) return "ask"
    if (now < this.#dueAt || this.#probing) return "passed_over"
    this.#probing = true
    return "probe"
  }

  /** It answered. Whether it was tripped until now. */
  succeeded(): boolean {
    const was = this.#dueAt !== undefined
    this.#failures = 0
    this.#dueAt = undefined
    this.#probing = false
    return was
  }

  /** It failed by itself. For how long it is tripped because of that, milliseconds; nothing where that changes nothing. */
  failed(admission: Admission, now: number): number | undefined {
    if (admission === "probe") {
      if (!this.#probing) return undefined
      this.#probing = false
      return this.#trip(now, Math.min(this.#forMs * 2, longestMs))
    }
    if (this.#dueAt !== undefined || ++this.#failures < failuresToTrip) return undefined
    return this.#trip(now, shortestMs)
  }

  /** The question ended in a way that says nothing of it. */
  released(admission: Admission): void {
    if (admission === "probe") this.#probing = false
  }

  #trip(now: number, forMs: number): number {
    this.#forMs = forMs
    this.#dueAt = now + forMs
    return forMs
  }
}
