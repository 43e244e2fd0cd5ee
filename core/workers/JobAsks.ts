/**
 * What the run of a job may ask of the host: a secret, an artifact, a child event, a call of a tool, and to be heard of how far
 * it is. Everything else does not exist for it.
 *
 * A job of a plugin in an isolate has what that plugin was granted, and what it hands over is untrusted. One of a plugin that
 * runs in the host has what the host's configuration has, and is trusted at best.
 */
import type { Schema } from "effect"
import type { Invocation } from "../../sandbox/Isolate.ts"
import { decodeBytes } from "../../sandbox/protocol/Values.ts"
import type { Trust } from "../contract/Enums.ts"
import { mayRead, namedIn } from "../isolates/Broker.ts"
import { findSecretRefs } from "../plugin/OptionSecrets.ts"
import type { PluginCode } from "../plugin/PluginCode.ts"
import { type KeptArtifact, ToolRefused } from "../plugin/Tool.ts"
import { worst } from "../safety/Provenance.ts"
import { hashOf } from "../tools/InputHash.ts"
import { callsOfRun, type NestedCalls } from "../tools/NestedCalls.ts"
import type { HeldJob } from "./HeldJob.ts"
import type { Progress } from "./JobFacts.ts"

type Json = Schema.Json
type Asks = Invocation["asks"]

/** What is kept by one run at most. */
const maximumArtifacts = 32
const maximumArtifactBytes = 67_108_864

/** Events that one run hands over at most. */
const maximumEvents = 1_000

/** Characters of the words of a progress. */
const longestMessage = 200

/** How the host does what is asked. */
export interface JobDeeds {
  readonly secret: (name: string, key: string) => Promise<string>
  readonly artifact: (
    data: Uint8Array | string,
    meta: { readonly name?: string; readonly mediaType?: string },
    trust: Trust
  ) => Promise<KeptArtifact>
  /** `ordinal`: which of the run's equal events it is, so that a later attempt finds it again in whatever order it comes. */
  readonly emit: (event: Json, ordinal: number, trust: Trust) => Promise<Json>
  readonly calls: Pick<NestedCalls["Service"], "call">
  readonly progress: (progress: Progress) => void
}

/** How far what a job makes can be trusted. */
export const madeTrust = (job: Pick<HeldJob, "labels">, code: PluginCode): Trust =>
  worst(job.labels.trust, code.grant === undefined ? "trusted" : "untrusted")

const asText = (given: unknown, what: string): string => {
  if (typeof given === "string") return given
  throw new TypeError(`${what} must be a string.`)
}

const metaOf = (given: unknown): { readonly name?: string; readonly mediaType?: string } => {
  const { mediaType, name } = (given ?? {}) as Readonly<Record<string, unknown>>
  return {
    ...(typeof name === "string" ? { name } : {}),
    ...(typeof mediaType === "string" ? { mediaType } : {})
  }
}

/** As it may be shown: a percentage between nothing and all, a few words. */
export const progressOf = (given: unknown): Progress => {
  const { message, percent } = (given ?? {}) as Readonly<Record<string, unknown>>
  return {
    ...(typeof percent === "number" && !Number.isNaN(percent) ? { percent: Math.min(100, Math.max(0, percent)) } : {}),
    ...(typeof message === "string"
      ? { message: message.slice(0, longestMessage).replaceAll("\0", "␀").toWellFormed() }
      : {})
  }
}

export interface AsksOfRun {
  readonly asks: Asks
  /** How far what the run makes can be trusted, after all that it has got back. */
  readonly trust: () => Trust
}

export const jobAsks = (job: HeldJob, code: PluginCode, deeds: JobDeeds, signal: AbortSignal): AsksOfRun => {
  const { grant } = code
  const options = new Set([...findSecretRefs(code.options)].map(({ key, name }) => `${name}.${key}`))
  const calls = callsOfRun(deeds.calls, {
    plugin: job.plugin,
    key: job.job_id,
    origin: job.event,
    trust: madeTrust(job, code),
    repeats: job.max_attempts > 1
  })
  const trust = (): Trust => worst(madeTrust(job, code), calls.heard())
  const ordinals = new Map<string, number>()
  let [artifacts, artifactBytes, events] = [0, 0, 0]

  const isGranted = (name: string, key: string): boolean =>
    grant === undefined ||
    mayRead({ allow: grant, hasOption: (whose, which) => options.has(`${whose}.${which}`) }, name, key)

  const asks: Asks = {
    secret: (givenName, givenKey) => {
      const name = asText(givenName, "The name of a secret")
      const key = asText(givenKey, "The key of a secret")
      if (!isGranted(name, key)) {
        throw new ToolRefused(
          `Plugin ${job.plugin} was not granted the secret ${`${name}.${key}`.slice(0, 200)}: ` +
            "add it to allow.secrets of its isolate()."
        )
      }
      return deeds.secret(name, key)
    },
    artifact: async (given, meta): Promise<Json> => {
      // The protocol puts pieces together before it comes here.
      const data: unknown = given
      const bytes = data instanceof Uint8Array ? data : decodeBytes(data) ?? asText(data, "An artifact")
      artifacts++
      artifactBytes += typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.byteLength
      if (artifacts > maximumArtifacts || artifactBytes > maximumArtifactBytes) {
        throw new Error(`One run keeps at most ${maximumArtifacts} artifacts, and 64 MiB of them together.`)
      }
      return { ...await deeds.artifact(bytes, metaOf(meta), trust()) }
    },
    emit: (given) => {
      if (++events > maximumEvents) throw new Error(`One run hands over at most ${maximumEvents} events.`)
      const event = given ?? null
      const which = hashOf(event)
      const ordinal = (ordinals.get(which) ?? 0) + 1
      ordinals.set(which, ordinal)
      return deeds.emit(event, ordinal, trust())
    },
    call: (givenTool, input) => {
      const tool = asText(givenTool, "The name of a tool")
      if (grant !== undefined && !namedIn(grant.tools, tool)) {
        throw new ToolRefused(
          `Plugin ${job.plugin} was not granted the tool ${tool.slice(0, 200)}: add it to allow.tools of its isolate().`
        )
      }
      return calls.call(tool, input ?? {}, signal)
    },
    progress: (given) => deeds.progress(progressOf(given))
  }
  return { asks, trust }
}
