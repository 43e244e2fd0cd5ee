/**
 * `GET /artifacts/{id}`: the bytes of what a tool gave back, and `GET /artifacts?trace_id=`: what there is of a trace.
 *
 * Bytes and media type are a stranger's: they are handed out to be saved and never to be shown, so no browser runs them.
 */
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Artifact } from "../../contract/Artifact.ts"
import { Artifacts } from "../../tools/Artifacts.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { UuidText } from "../Query.ts"

const ArtifactList = Schema.Struct({ items: Schema.Array(Artifact.annotate({ identifier: "Artifact" })) })

export class ArtifactsGroup extends HttpApiGroup.make("artifacts").add(
  HttpApiEndpoint.get("list", "/artifacts", {
    query: { trace_id: UuidText },
    success: ArtifactList
  }).annotateMerge(OpenApi.annotations({ summary: "What the calls of a trace gave back, oldest first, at most 500" })),
  HttpApiEndpoint.get("get", "/artifacts/:id", {
    params: { id: UuidText },
    success: Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array()),
    error: problemResponse(404)
  }).annotateMerge(OpenApi.annotations({ summary: "The bytes, in their own media type, to be saved" }))
) {}

/** RFC 6266: a plain name for old clients, and the whole one. */
const disposition = (name: string): string => {
  const plain = name.replace(/[^A-Za-z0-9._ -]/g, "_").replace(/^\.+/, "_")
  const whole = encodeURIComponent(name).replace(
    /['()*!]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${whole}`
}

export const artifactsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "artifacts",
    Effect.fnUntraced(function*(handlers) {
      const artifacts = yield* Artifacts
      return handlers
        .handle("list", ({ query }) =>
          reading(Effect.map(artifacts.ofTrace(query.trace_id), (items) =>
            answer(ArtifactList, { items }))))
        .handle("get", ({ params }) =>
          reading(Effect.flatMap(artifacts.byId(params.id), (found) =>
            found === undefined
              ? Effect.fail(problem("artifact.not_found", "No artifact has this id."))
              : Effect.succeed(HttpServerResponse.uint8Array(found.data, {
                contentType: found.artifact.media_type,
                headers: {
                  "content-disposition": disposition(found.artifact.name),
                  "content-security-policy": "default-src 'none'; sandbox",
                  "x-content-type-options": "nosniff",
                  "cache-control": "private, no-store"
                }
              })))))
    })
  )
