/**
 * What a context of a plugin asks the host for, in messages: secrets, artifacts, calls, events.
 */
import { isText, NotPlainJson, toPlainJson } from "../../core/plugin/PlainJson.ts"
import { isSecretRef, type SecretOption } from "../../core/plugin/Secret.ts"
import { type KeptArtifact, type ToolContext, ToolRefused } from "../../core/plugin/Tool.ts"
import { bytesKey, encodeBytes } from "../protocol/Values.ts"

export interface Host {
  /** Waits for the answer. */
  readonly ask: (method: string, ...args: ReadonlyArray<unknown>) => Promise<unknown>
  /** Waits for none. */
  readonly tell: (method: string, ...args: ReadonlyArray<unknown>) => void
}

/** A promise that the plugin may leave alone: its failure is no fault of the isolate. */
export const seen = <A>(promise: Promise<A>): Promise<A> => {
  promise.catch(() => {})
  return promise
}

export const askSecret =
  (host: Host): ToolContext["secret"] => (first: SecretOption, key?: string): Promise<string> => {
    if (isSecretRef(first)) return seen(host.ask("secret", first.name, first.key) as Promise<string>)
    return key === undefined ? Promise.resolve(first) : seen(host.ask("secret", first, key) as Promise<string>)
  }

/** Bytes of one message: a multiple of three, so that the pieces are one base64 text. */
const pieceLength = 393_216
const mebibyte = 1_048_576
const maximumArtifact = 8 * mebibyte

const aboutOf = (meta: unknown): unknown => {
  try {
    return toPlainJson(meta)
  } catch (error) {
    throw error instanceof NotPlainJson ? new Error(`What is told of an artifact ${error.message}.`) : error
  }
}

/** What fits into one message goes at once, the rest in pieces before it. */
export const askArtifact = (host: Host): ToolContext["artifact"] => {
  let uploads = 0
  const keep = async (
    data: Uint8Array | string,
    meta: { readonly name?: string; readonly mediaType?: string }
  ): Promise<KeptArtifact> => {
    if (typeof data !== "string" && !(data instanceof Uint8Array)) {
      throw new TypeError("An artifact is a text or a Uint8Array.")
    }
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data
    const size = bytes.byteLength
    if (size > maximumArtifact) {
      throw new Error(`An artifact has at most 8 MiB, and this one has ${(size / mebibyte).toFixed(1)}.`)
    }
    const about = aboutOf(meta)
    if (size <= pieceLength && (typeof data !== "string" || isText(data))) {
      return await host.ask("artifact", typeof data === "string" ? data : encodeBytes(data), about) as KeptArtifact
    }
    const upload = ++uploads
    for (let at = 0; at < size; at += pieceLength) {
      await host.ask("artifact_piece", upload, encodeBytes(bytes.subarray(at, at + pieceLength))[bytesKey])
    }
    const kind = typeof data === "string" ? "text" : "bytes"
    return await host.ask("artifact", { "~pieces": [upload, kind] }, about) as KeptArtifact
  }
  return (data, meta = {}) => seen(keep(data, meta))
}

const refuseScheme = (input: string | URL | Request): void => {
  const url = new URL(input instanceof Request ? input.url : input)
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new ToolRefused(`${url.protocol} is not http or https.`)
  }
}

/** The runtime's own `fetch`: http and https only, aborted with the signal, and failing in every runtime with the same words. */
export const plainFetch = (signal: AbortSignal): typeof globalThis.fetch => async (input, init) => {
  refuseScheme(input)
  const wanted = init?.signal ?? signal
  try {
    return await globalThis.fetch(input, { ...init, signal: wanted })
  } catch (error) {
    if (
      error instanceof TypeError && !wanted.aborted &&
      /^error sending request|^client error|connection/i.test(error.message)
    ) {
      throw new TypeError("fetch failed", { cause: error })
    }
    throw error
  }
}
