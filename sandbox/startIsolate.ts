/** Starts an isolate and has its plugin loaded: from then on its parts can be invoked. */
import { Schema } from "effect"
import { check } from "../core/plugin/Explain.ts"
import { connect } from "./connect.ts"
import { denoGuest } from "./guest/bundle.ts"
import { defaultGraceMs, type Hearing, type Isolate, IsolateLost, type Launch } from "./Isolate.ts"
import { Described } from "./protocol/Described.ts"
import { encodeOptions } from "./protocol/Values.ts"
import { openWire } from "./runtimes/openWire.ts"
import type { Wire } from "./runtimes/Wire.ts"

/** For the start, the load and the set-up together, milliseconds. */
const startTimeoutMs = 60_000

const readDescribed = check(Schema.toCodecJson(Described), "field")

/** It can't be loaded: a sentence's end. `phase`: while it was read for what. */
export class NotStarted extends Error {
  override readonly name = "NotStarted"
  readonly phase: string
  constructor(message: string, phase: string, cause?: unknown) {
    super(message.replace(/\.$/, ""), cause === undefined ? undefined : { cause })
    this.phase = phase
  }
}

/**
 * Rejects with an Error whose message is a sentence's end where it can't be loaded, having ended it. Aborting the signal ends it
 * while it is loaded, at once; later it does nothing.
 */
export const startIsolate = async (launch: Launch, hearing: Hearing, signal?: AbortSignal): Promise<Isolate> => {
  const options = optionsOf(launch)
  const guest = launch.runtime === "deno" ? await denoGuest(launch) : undefined
  return loadOver(await openWire(launch, hearing, guest), launch, hearing, options, startTimeoutMs, signal)
}

const optionsOf = ({ code: { options } }: Launch): unknown => {
  try {
    return encodeOptions(options ?? {})
  } catch (error) {
    throw new NotStarted(`its options can't be handed over: they ${(error as Error).message}`, "options", error)
  }
}

/** For a wire to which nothing was said yet. */
export const loadOver = async (
  wire: Wire,
  { code }: Pick<Launch, "code">,
  hearing: Hearing,
  options: unknown = encodeOptions(code.options ?? {}),
  timeoutMs = startTimeoutMs,
  signal?: AbortSignal
): Promise<Isolate> => {
  const connection = connect(wire, hearing)
  const over = Promise.withResolvers<never>()
  const abort = (): void => over.reject(new NotStarted("it was stopped while it was loaded", "setup"))
  signal?.addEventListener("abort", abort, { once: true })
  if (signal?.aborted === true) abort()
  const timer = setTimeout(
    () => over.reject(new NotStarted(`it was not ready within ${timeoutMs / 1_000} seconds`, "setup")),
    timeoutMs
  )
  try {
    const { entry, grant, name, plugin, timezone } = code
    const net = grant?.net === undefined ? {} : { net: grant.net }
    const told = await Promise.race([
      connection.initialize({ protocol: 1, entry, plugin, name, options, timezone, ...net }),
      over.promise
    ])
    const described = readDescribed(told)
    if (!described.ok) {
      throw new NotStarted(`what it says of itself can't be read: ${described.mistakes[0]}`, "parts")
    }
    if (plugin !== "" && described.value.plugin !== plugin) {
      throw new NotStarted(`it is named ${described.value.plugin} where ${plugin} was expected`, "load")
    }
    return {
      runtime: wire.runtime,
      pid: wire.pid,
      described: described.value,
      invoke: connection.invoke,
      ended: wire.ended,
      stop: (graceMs = defaultGraceMs) => {
        connection.shutdown()
        return wire.stop(graceMs)
      }
    }
  } catch (error) {
    const reason = error instanceof Error ? error : new Error(String(error))
    await wire.kill({ code: "start", reason: reason.message })
    throw error instanceof NotStarted ? error : asNotStarted(reason)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener("abort", abort)
  }
}

const asNotStarted = (error: Error): NotStarted => {
  if (error instanceof IsolateLost) return new NotStarted(error.end.reason, "load", error)
  const phase = "code" in error && typeof error.code === "string" && error.name === "NotUsable" ? error.code : "load"
  return new NotStarted(error.message, phase, error)
}
