/**
 * An error on its way to the other side: its words, its code and what led to it, and there an error of the same class again.
 */
import { WebhookRefused } from "../../core/plugin/Plugin.ts"
import { TaskStepFailed } from "../../core/plugin/TaskDefinition.ts"
import { ToolRefused, ToolUnknown } from "../../core/plugin/Tool.ts"

/** The `data` of a JSON-RPC error. */
export interface CrossedError {
  readonly name: string
  readonly message: string
  readonly code?: string
  /** Of a step of a task. */
  readonly step?: string
  readonly position?: number
  readonly cause?: CrossedError
}

const longestMessage = 8_192
const longestName = 200
const deepest = 5

const text = (value: string, longest: number): string => value.slice(0, longest).replaceAll("\0", "␀").toWellFormed()

/** Never throws, whatever was thrown. */
export const encodeError = (error: unknown, depth = 1): CrossedError => {
  try {
    if (!(error instanceof Error) && !isErrorLike(error)) {
      return { name: "Error", message: text(String(error), longestMessage) }
    }
    const { cause, code, name } = error as Error & { readonly code?: unknown }
    return {
      name: typeof name === "string" ? text(name, longestName) : "Error",
      message: text(String(error.message), longestMessage),
      ...(typeof code === "string" ? { code: text(code, longestName) } : {}),
      ...(error instanceof TaskStepFailed ? { step: text(error.step, longestName), position: error.position } : {}),
      ...(cause === undefined || cause === null || depth >= deepest ? {} : { cause: encodeError(cause, depth + 1) })
    }
  } catch {
    return { name: "Error", message: "It threw what can't be read." }
  }
}

/** A `DOMException` is one in every runtime, an `Error` not in every one. */
const isErrorLike = (error: unknown): error is Error =>
  typeof error === "object" && error !== null && "message" in error && typeof error.message === "string" &&
  "name" in error

/** From what an isolate sent: nothing of it is believed. */
export const reviveError = (message: string, data: unknown, depth = 1): Error => {
  const given = typeof data === "object" && data !== null ? data as Readonly<Record<string, unknown>> : {}
  const own = (key: string): unknown => Object.hasOwn(given, key) ? given[key] : undefined
  const words = own("message")
  const said = text(typeof words === "string" ? words : message, longestMessage)
  const givenName = own("name")
  const name = typeof givenName === "string" ? text(givenName, longestName) : "Error"
  const givenCode = own("code")
  const error = make(name, said, own)
  if (typeof givenCode === "string" && !Object.hasOwn(error, "code")) {
    Object.defineProperty(error, "code", { value: text(givenCode, longestName), enumerable: true, configurable: true })
  }
  const cause = own("cause")
  if (typeof cause === "object" && cause !== null && depth < deepest) {
    Object.defineProperty(error, "cause", {
      value: reviveError("", cause, depth + 1),
      configurable: true,
      writable: true
    })
  }
  return error
}

const make = (name: string, message: string, own: (key: string) => unknown): Error => {
  switch (name) {
    case "ToolRefused":
      return new ToolRefused(message)
    case "ToolUnknown":
      return new ToolUnknown(message)
    case "WebhookRefused":
      return new WebhookRefused(message)
    case "TaskStepFailed": {
      const [step, position, failed] = [own("step"), own("position"), own("code")]
      return new TaskStepFailed(message, {
        step: typeof step === "string" ? text(step, longestName) : "",
        position: Number.isSafeInteger(position) ? position as number : 0,
        code: typeof failed === "string" ? text(failed, longestName) : "task.failed"
      })
    }
    case "TypeError":
      return new TypeError(message)
    case "RangeError":
      return new RangeError(message)
    default: {
      const error = new Error(message)
      if (name !== "Error") Object.defineProperty(error, "name", { value: name, configurable: true, writable: true })
      return error
    }
  }
}
