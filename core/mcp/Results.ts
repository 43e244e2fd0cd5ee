/**
 * What a server gave back, as the host keeps it: words inline, everything else as artifacts, all of it bounded, and whatever
 * is left out is said. Nothing that it refers to is fetched.
 *
 * `message` is what a person reads as the answer; `content` keeps the parts in their order.
 */
import type { CallToolResult } from "@modelcontextprotocol/client"
import { clipped, visible } from "../contract/Visible.ts"
import { NotPlainJson, toPlainJson } from "../plugin/PlainJson.ts"
import type { KeptArtifact, ToolContext } from "../plugin/Tool.ts"
import { visibleText } from "./Description.ts"

export type Part =
  | { readonly type: "text"; readonly text: string }
  /** A text that is longer than what is shown of it here. */
  | { readonly type: "text"; readonly text: string; readonly artifact_id: string; readonly bytes: number }
  | {
    readonly type: "image" | "audio" | "resource"
    readonly artifact_id: string
    readonly media_type: string
    readonly bytes: number
    readonly name?: string
    readonly uri?: string
  }
  | { readonly type: "link"; readonly uri: string; readonly name?: string; readonly media_type?: string }

export interface Result {
  readonly message: string
  readonly content: ReadonlyArray<Part>
  readonly structured?: unknown
  /** What is not in it, sentence by sentence. */
  readonly left_out?: ReadonlyArray<string>
}

/** Characters of one text that stay inline, and of all of them. */
const longestText = 65_536
const longestTexts = 262_144
/** What stays inline of a text that is longer. */
const beginning = 4_096
const maximumParts = 32
/** Bytes of one part, and of all of them. */
const maximumPart = 8_388_608
const maximumBytes = 16_777_216
const mebibyte = 1_048_576
/** Characters of the JSON of what is structured. */
const longestStructured = 262_144
const longestMessage = 4_000
const maximumNotes = 20

type Keep = ToolContext["artifact"]

interface Room {
  texts: number
  bytes: number
  readonly notes: Array<string>
}

const leave = (room: Room, sentence: string): undefined => {
  if (room.notes.length < maximumNotes) room.notes.push(sentence)
}

const word = (value: unknown, length: number): string | undefined =>
  typeof value === "string" && value !== "" ? clipped(value.toWellFormed(), length) : undefined

/** Postgres keeps neither NUL nor half a character. */
const storable = (text: string): string => text.replaceAll("\0", "␀").toWellFormed()

/** `checkStructured`: what is wrong with what is structured, by the schema that the server gave for it. */
export const readResult = async (
  result: CallToolResult,
  keep: Keep,
  checkStructured: (value: unknown) => string | undefined = () => undefined
): Promise<Result> => {
  const room: Room = { texts: 0, bytes: 0, notes: [] }
  const given: ReadonlyArray<unknown> = Array.isArray(result.content) ? result.content : []
  const content: Array<Part> = []
  for (const [i, part] of given.slice(0, maximumParts).entries()) {
    const read = await readPart(part, `Part ${i + 1}`, keep, room)
    if (read !== undefined) content.push(read)
  }
  if (given.length > maximumParts) {
    leave(
      room,
      `${given.length - maximumParts} more parts, of which one answer has at most ${maximumParts}, were left out.`
    )
  }
  const structured = await readStructured(result.structuredContent, checkStructured, keep, room)
  if (structured.part !== undefined) content.push(structured.part)
  return {
    message: messageOf(content, structured.value, room.notes),
    content,
    ...(structured.value === undefined ? {} : { structured: structured.value }),
    ...(room.notes.length === 0 ? {} : { left_out: room.notes })
  }
}

const readPart = async (part: unknown, where: string, keep: Keep, room: Room): Promise<Part | undefined> => {
  if (typeof part !== "object" || part === null) return leave(room, `${where} is no content and was left out.`)
  const { data, description, mimeType, name, resource, text, title, type, uri } = part as Record<string, unknown>
  switch (type) {
    case "text":
      return typeof text === "string" ? readText(text, where, keep, room) : leave(room, `${where} has no text.`)
    case "image":
    case "audio":
      return typeof data === "string"
        ? readBytes(data, { type, mediaType: word(mimeType, 200) }, where, keep, room)
        : leave(room, `${where} has no data.`)
    case "resource": {
      const { blob, mimeType: media, text: words, uri: place } = (resource ?? {}) as Record<string, unknown>
      const shown = word(place, 2_000)
      const own = { type, mediaType: word(media, 200), uri: shown, name: nameOf(shown) } as const
      if (typeof words === "string") {
        return put(storable(words), { ...own, mediaType: own.mediaType ?? "text/plain" }, where, keep, room)
      }
      return typeof blob === "string"
        ? readBytes(blob, own, where, keep, room)
        : leave(room, `${where} has no content.`)
    }
    case "resource_link": {
      const shown = word(uri, 2_000)
      if (shown === undefined) return leave(room, `${where} is a link without an address.`)
      const media_type = word(mimeType, 200)
      const called = word(title, 200) ?? word(name, 200) ?? word(description, 200)
      return {
        type: "link",
        uri: shown,
        ...(called === undefined ? {} : { name: called }),
        ...(media_type === undefined ? {} : { media_type })
      }
    }
    default:
      return leave(room, `${where} is of the type ${clipped(String(type), 40)}, which is not known, and was left out.`)
  }
}

const nameOf = (uri: string | undefined): string | undefined => {
  const last = uri?.split(/[?#]/)[0]?.split("/").at(-1)
  return last === undefined || last === "" ? undefined : last.slice(0, 150)
}

const readText = async (given: string, where: string, keep: Keep, room: Room): Promise<Part | undefined> => {
  const text = storable(given)
  if (text.length <= longestText && room.texts + text.length <= longestTexts) {
    room.texts += text.length
    return { type: "text", text }
  }
  const kept = await put(text, { type: "resource", mediaType: "text/plain", name: "text.txt" }, where, keep, room)
  if (kept === undefined || kept.type !== "resource") return undefined
  const begin = text.slice(0, beginning).toWellFormed()
  leave(room, `${where} has ${text.length} characters: the first ${begin.length} are shown, all are in its artifact.`)
  return { type: "text", text: begin, artifact_id: kept.artifact_id, bytes: kept.bytes }
}

interface Described {
  readonly type: "image" | "audio" | "resource"
  readonly mediaType: string | undefined
  readonly name?: string | undefined
  readonly uri?: string | undefined
}

const base64 = /^[A-Za-z0-9+/_-]*={0,2}$/

const readBytes = async (data: string, described: Described, where: string, keep: Keep, room: Room) => {
  // Looked at before it is decoded, which takes as much again.
  if (data.length > maximumPart * 1.4) return tooLarge(data.length * 0.75, where, room)
  const text = /\s/.test(data) ? data.replace(/\s/g, "") : data
  if (!base64.test(text)) return leave(room, `${where} is not base64 and was left out.`)
  return put(Buffer.from(text, "base64"), described, where, keep, room)
}

const tooLarge = (bytes: number, where: string, room: Room): undefined =>
  leave(
    room,
    `${where} has ${(bytes / mebibyte).toFixed(1)} MiB and was left out: a part has at most 8 MiB, and an answer 16.`
  )

const put = async (
  data: Uint8Array | string,
  { mediaType, name, type, uri }: Described,
  where: string,
  keep: Keep,
  room: Room
): Promise<Part | undefined> => {
  const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.byteLength
  if (bytes > maximumPart || room.bytes + bytes > maximumBytes) return tooLarge(bytes, where, room)
  room.bytes += bytes
  let kept: KeptArtifact
  try {
    kept = await keep(data, {
      ...(name === undefined ? {} : { name }),
      ...(mediaType === undefined ? {} : { mediaType })
    })
  } catch (error) {
    // The server has done what it was asked to, whatever becomes of its answer.
    return leave(
      room,
      `${where} could not be kept: ${clipped(error instanceof Error ? error.message : String(error), 300)}`
    )
  }
  return {
    type,
    artifact_id: kept.artifact_id,
    media_type: kept.media_type,
    bytes: kept.bytes,
    ...(name === undefined ? {} : { name: kept.name }),
    ...(uri === undefined ? {} : { uri })
  }
}

const readStructured = async (
  given: unknown,
  check: (value: unknown) => string | undefined,
  keep: Keep,
  room: Room
): Promise<{ readonly value?: unknown; readonly part?: Part | undefined }> => {
  if (given === undefined || given === null) return {}
  let value: unknown
  try {
    value = toPlainJson(given)
  } catch (error) {
    if (!(error instanceof NotPlainJson)) throw error
    leave(room, `What is structured ${clipped(error.message, 200)}, and was left out.`)
    return {}
  }
  const mistake = check(value)
  if (mistake !== undefined) {
    leave(room, `What is structured breaks the schema that the server gave for it, and was left out: ${mistake}.`)
    return {}
  }
  const text = JSON.stringify(value)
  if (text.length <= longestStructured) return { value }
  const described = { type: "resource", mediaType: "application/json", name: "structured.json" } as const
  leave(room, "What is structured is longer than 256 KiB: it is in an artifact of its own.")
  return { part: await put(text, described, "What is structured", keep, room) }
}

const partWords = (part: Part): string => {
  switch (part.type) {
    case "text":
      return visibleText(part.text, longestMessage)
    case "link":
      return `[a link: ${part.name === undefined ? "" : `${part.name}, `}${part.uri}]`
    default:
      return `[${part.type === "resource" ? "a resource" : part.type === "image" ? "an image" : "audio"}, ${
        visible(part.media_type)
      }, ${part.bytes} bytes: artifact ${part.artifact_id}]`
  }
}

const messageOf = (content: ReadonlyArray<Part>, structured: unknown, notes: ReadonlyArray<string>): string => {
  const said = content.map(partWords).filter((text) => text.trim() !== "")
  const words = said.length > 0
    ? said.join("\n")
    : structured === undefined
    ? "It answered without a word."
    : clipped(JSON.stringify(structured), longestMessage)
  const noted = notes.length === 0 ? "" : `\n(${clipped(notes.join(" "), 500)})`
  const room = longestMessage - noted.length
  return `${words.length <= room ? words : `${words.slice(0, room - 1)}…`}${noted}`.toWellFormed()
}

/** What a server says of a call that did not go well, bounded and visible. */
export const errorWords = (result: CallToolResult): string => {
  const texts = (Array.isArray(result.content) ? result.content as ReadonlyArray<unknown> : []).flatMap((part) =>
    typeof part === "object" && part !== null && "text" in part && typeof part.text === "string" ? [part.text] : []
  )
  const said = texts.join(" ").trim()
  return said === "" ? "it gives no reason" : clipped(storable(said), 1_000)
}
