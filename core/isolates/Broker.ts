/**
 * What an isolate may ask of the host for one of its parts while that is under way: secrets and tools that the operator named,
 * and what belongs to the call itself. Everything else does not exist for it.
 *
 * A secret may be read where `allow.secrets` has it, or where the operator put it into the plugin's options. A tool may be
 * called where `allow.tools` has it; gated then like every other call.
 */
import type { Schema } from "effect"
import type { Invocation } from "../../sandbox/Isolate.ts"
import { decodeBytes } from "../../sandbox/protocol/Values.ts"
import type { KeptArtifact, ToolContext } from "../plugin/Tool.ts"
import { ToolRefused } from "../plugin/Tool.ts"
import type { Access } from "./Access.ts"

type Asks = Invocation["asks"]
type Json = Schema.Json

/** Whether a list of names, `prefix.*` and `*` has a name. */
export const namedIn = (granted: ReadonlyArray<string> | undefined, name: string): boolean =>
  granted?.some((one) => one === "*" || one === name || (one.endsWith(".*") && name.startsWith(one.slice(0, -1)))) ??
    false

/** Longest name that is said again. */
const said = (name: string): string => name.slice(0, 200)

const asText = (given: Json | undefined, what: string): string => {
  if (typeof given === "string") return given
  throw new TypeError(`${what} must be a string.`)
}

const refuse = (access: Access, sentence: string): never => {
  access.refused(sentence)
  throw new ToolRefused(sentence)
}

/** Granted by name, or put into its options by the operator. */
export const mayRead = (
  { allow, hasOption }: Pick<Access, "allow" | "hasOption">,
  name: string,
  key: string
): boolean => hasOption(name, key) || (allow.secrets?.some((one) => one === name || one === `${name}.${key}`) ?? false)

/** `read` has the value. */
export const secretAsk = (
  access: Access,
  read: (name: string, key: string) => Promise<string>
): Asks[string] =>
(givenName, givenKey) => {
  const name = asText(givenName, "The name of a secret")
  const key = asText(givenKey, "The key of a secret")
  if (!mayRead(access, name, key)) {
    refuse(
      access,
      `Plugin ${access.plugin} was not granted the secret ${
        said(`${name}.${key}`)
      }: add it to allow.secrets of its isolate().`
    )
  }
  return read(name, key)
}

/** Fails where it was not granted the tool. */
export const requireTool = (access: Access, tool: string): void => {
  if (namedIn(access.allow.tools, tool)) return
  refuse(
    access,
    `Plugin ${access.plugin} was not granted the tool ${said(tool)}: add it to allow.tools of its isolate().`
  )
}

/** Events that one run hands over at most, and characters of them together: they are kept until it ends. */
const maximumEvents = 1_000
const maximumEventText = 8_388_608

/** Of a tool's run, its preview or its probe. */
export const toolAsks = (access: Access, ctx: ToolContext): Asks => {
  let [events, eventText] = [0, 0]
  return {
    secret: secretAsk(access, (name, key) => ctx.secret(name, key)),
    artifact: async (data, meta): Promise<Json> => {
      const bytes = data instanceof Uint8Array ? data : decodeBytes(data)
      const kept: KeptArtifact = await ctx.artifact(bytes ?? asText(data, "An artifact"), readMeta(meta))
      return { ...kept }
    },
    call: async (given, input) => {
      const tool = asText(given, "The name of a tool")
      requireTool(access, tool)
      return await ctx.call(tool, input ?? {})
    },
    emit: (event) => {
      events++
      eventText += JSON.stringify(event ?? null).length
      if (events > maximumEvents || eventText > maximumEventText) {
        throw new Error(`One run hands over at most ${maximumEvents} events, and 8 MiB of them together.`)
      }
      ctx.emit(event as unknown as Parameters<ToolContext["emit"]>[0])
    },
    progress: (given) => {
      ctx.progress(readProgress(given))
    }
  }
}

const readMeta = (given: Json | undefined): { readonly name?: string; readonly mediaType?: string } => {
  if (typeof given !== "object" || given === null) return {}
  const { mediaType, name } = given as Readonly<Record<string, unknown>>
  return {
    ...(typeof name === "string" ? { name } : {}),
    ...(typeof mediaType === "string" ? { mediaType } : {})
  }
}

const readProgress = (given: Json | undefined): { readonly percent?: number; readonly message?: string } => {
  if (typeof given !== "object" || given === null) return {}
  const { message, percent } = given as Readonly<Record<string, unknown>>
  return {
    ...(typeof percent === "number" && percent >= 0 && percent <= 100 ? { percent } : {}),
    ...(typeof message === "string" ? { message: message.slice(0, 200) } : {})
  }
}
