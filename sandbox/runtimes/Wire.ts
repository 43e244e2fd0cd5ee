/** The way to an isolate that was started and to which nothing was said yet. */
import type { Runtime } from "../../core/contract/Enums.ts"
import type { IsolateEnd } from "../Isolate.ts"

export interface Wire {
  readonly runtime: Runtime
  /** None for a thread. */
  readonly pid: number | undefined
  /** Throws a `RangeError` for what is longer than a frame; does nothing where it is over. */
  readonly send: (message: unknown) => void
  /** Bytes that were sent and that the other side has not taken yet. */
  readonly unread: () => number
  /** Called for each message, in order, once it is set. `bytes`: about how long it was. */
  readonly receive: (handler: (message: unknown, bytes: number) => void) => void
  /** Reads nothing more until it is resumed: the other side has to wait. */
  readonly pause: () => void
  readonly resume: () => void
  /** Settles when nothing of it is left: no process of its group, no thread, no temporary folder. */
  readonly ended: Promise<IsolateEnd>
  /** SIGTERM (a thread: its signal), and after the grace SIGKILL of the whole group (a thread: it is terminated). */
  readonly stop: (graceMs: number) => Promise<IsolateEnd>
  /** At once, for this reason. */
  readonly kill: (end: IsolateEnd) => Promise<IsolateEnd>
}
