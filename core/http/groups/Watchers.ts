/** `GET /watchers`, and switching one off or on. */
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { WatcherState } from "../../contract/Watcher.ts"
import { WatcherRecords } from "../../watchers/WatcherRecords.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, pageQuery } from "../Query.ts"

const WatcherRecord = WatcherState.annotate({ identifier: "Watcher" })
const WatcherPage = Schema.Struct({
  items: Schema.Array(WatcherRecord),
  next_cursor: Schema.optionalKey(Schema.String)
})

const WatcherId = Schema.String.check(
  Schema.isPattern(/^[a-z0-9_.-]{1,100}$/, { expected: "the id of a watcher, such as \"weather.storm\"" })
)

export class WatchersGroup extends HttpApiGroup.make("watchers").add(
  HttpApiEndpoint.get("list", "/watchers", { query: pageQuery, success: WatcherPage }),
  HttpApiEndpoint.patch("change", "/watchers/:id", {
    params: { id: WatcherId },
    payload: Schema.Struct({ enabled: Schema.Boolean }).annotate({ identifier: "PatchWatcher" }),
    success: WatcherRecord,
    error: problemResponse(404)
  }).annotateMerge(OpenApi.annotations({
    summary: "Switches a watcher off or on",
    description: "Off: no tick begins; the outcome of one that runs is still written. On: it is due at once."
  }))
) {}

export const watchersHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "watchers",
    Effect.fnUntraced(function*(handlers) {
      const watchers = yield* WatcherRecords
      return handlers
        .handle("list", ({ query: { cursor, limit = defaultLimit } }) =>
          reading(Effect.map(watchers.page({ limit, cursor }), (page) =>
            answer(WatcherPage, page))))
        .handle("change", ({ params, payload: { enabled } }) =>
          reading(
            watchers.setEnabled(params.id, enabled).pipe(
              Effect.map((record) =>
                answer(WatcherRecord, record)
              ),
              Effect.catchTag("WatcherNotFound", (error) => Effect.fail(problem("watcher.not_found", error.message)))
            )
          ))
    })
  )
