/**
 * Keeps what tools give back besides words.
 *
 * - At most 8 MiB each; whoever puts more is told so.
 * - Known secrets are taken out of whatever is a text, whatever its media type says. Bytes that are no text stay as they are.
 * - Name and media type are a stranger's: what would break a header or hide something is not in them.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { createHash } from "node:crypto"
import { present } from "../audit/Page.ts"
import type { ValueLabels } from "../contract/Approval.ts"
import type { Artifact } from "../contract/Artifact.ts"
import { clipped } from "../contract/Visible.ts"
import { newId } from "../database/Ids.ts"
import { type Leak, Redactor } from "../secrets/Redactor.ts"

/** Of one, in bytes. */
export const maximumArtifact = 8_388_608
/** Of one call, or of one event. */
export const maximumArtifacts = 32
export const maximumArtifactBytes = 16_777_216
const mebibyte = 1_048_576

/** It is not kept; `detail` is a sentence. */
export class ArtifactRefused
  extends Schema.TaggedError<ArtifactRefused>()("ArtifactRefused", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

export interface NewArtifact {
  readonly data: Uint8Array | string
  readonly name?: string | undefined
  readonly media_type?: string | undefined
  readonly labels: ValueLabels
  readonly trace_id: string
  readonly tool_call_id?: string | undefined
  readonly task_id?: string | undefined
  readonly job_id?: string | undefined
}

export class Artifacts extends Context.Service<Artifacts, {
  readonly put: (artifact: NewArtifact) => Effect.Effect<Artifact, ArtifactRefused | SqlError.SqlError>
  readonly byId: (artifact_id: string) => Effect.Effect<
    { readonly artifact: Artifact; readonly data: Uint8Array } | undefined,
    SqlError.SqlError
  >
  /** Those of a trace, oldest first, at most 500. */
  readonly ofTrace: (trace_id: string) => Effect.Effect<ReadonlyArray<Artifact>, SqlError.SqlError>
}>()("syris/tools/Artifacts") {
  static readonly layer = Layer.effect(Artifacts, Effect.suspend(() => make))
}

interface ArtifactRow extends Omit<Artifact, "tool_call_id" | "task_id" | "job_id" | "created_at"> {
  readonly tool_call_id: string | null
  readonly task_id: string | null
  readonly job_id: string | null
  readonly created_at: Date
}

const toArtifact = (row: ArtifactRow): Artifact => present({ ...row, created_at: row.created_at.toISOString() })

const mediaType = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/

/** Without its parameters; bytes or a text where it says nothing that is one. */
export const mediaTypeOf = (said: string | undefined, isText: boolean): string => {
  const [type = ""] = (said ?? "").trim().toLowerCase().split(/[;,\s]/)
  return mediaType.test(type) ? type : isText ? "text/plain" : "application/octet-stream"
}

const nameOf = (said: string | undefined, type: string): string => {
  const name = clipped((said ?? "").trim().toWellFormed(), 150).slice(0, 200).toWellFormed()
  return name === "" ? `artifact.${/^[a-z0-9]{1,10}/.exec(type.split("/")[1] ?? "")?.[0] ?? "bin"}` : name
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const textOf = (data: Uint8Array): string | undefined => {
  try {
    return decoder.decode(data)
  } catch {
    return undefined
  }
}

const make = Effect.gen(function*() {
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(
    "artifact_id, trace_id, tool_call_id, task_id, job_id, name, media_type, bytes, sha256, labels, created_at"
  )

  /** As it is kept. */
  const withoutSecrets = (data: Uint8Array | string, leak: () => Leak): Uint8Array => {
    if (typeof data === "string") return Buffer.from(redactor.watched(data, redactor.redactText(data), leak))
    const text = textOf(data)
    if (text === undefined) return data
    const shown = redactor.watched(text, redactor.redactText(text), leak)
    return shown === text ? data : Buffer.from(shown)
  }

  const put: Artifacts["Service"]["put"] = Effect.fnUntraced(function*(given) {
    const leak = () => ({ where: "what was to be kept as an artifact", trace_id: given.trace_id })
    const size = typeof given.data === "string" ? Buffer.byteLength(given.data) : given.data.byteLength
    const data = size > maximumArtifact ? undefined : withoutSecrets(given.data, leak)
    if (data === undefined || data.byteLength > maximumArtifact) {
      return yield* new ArtifactRefused({
        detail: `An artifact has at most ${maximumArtifact / mebibyte} MiB, and this one has ${
          (size / mebibyte).toFixed(1)
        }.`
      })
    }
    const media_type = mediaTypeOf(redactor.redactText(given.media_type ?? ""), typeof given.data === "string")
    const name = nameOf(redactor.redactText(given.name ?? ""), media_type)
    const sha256 = createHash("sha256").update(data).digest("hex")
    const [row] = yield* sql<ArtifactRow>`
      insert into artifacts (artifact_id, trace_id, tool_call_id, task_id, job_id, name, media_type, bytes, sha256,
                             labels, created_at, data)
      values (${newId()}::uuid, ${given.trace_id}::uuid, ${given.tool_call_id ?? null}::uuid,
              ${given.task_id ?? null}::uuid, ${
      given.job_id ?? null
    }::uuid, ${name}, ${media_type}, ${data.byteLength}::int, ${sha256},
              ${JSON.stringify(given.labels)}::jsonb, clock_timestamp(), ${Buffer.from(data)}::bytea)
      returning ${columns}`
    return toArtifact(row!)
  })

  return Artifacts.of({
    put,
    byId: Effect.fnUntraced(function*(artifact_id) {
      const [row] = yield* sql<ArtifactRow & { readonly data: Uint8Array }>`
        select ${columns}, data from artifacts where artifact_id = ${artifact_id}::uuid`
      if (row === undefined) return undefined
      const { data, ...rest } = row
      return { artifact: toArtifact(rest), data }
    }),
    ofTrace: (trace_id) =>
      Effect.map(
        sql<ArtifactRow>`
          select ${columns} from artifacts where trace_id = ${trace_id}::uuid order by artifact_id limit 500`,
        (rows) => rows.map(toArtifact)
      )
  })
})
