/** `GET /events`, `GET /events/{id}`. What comes in is in `Intake.ts`. */
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { MessageEvent } from "../../contract/Event.ts"
import { EventLog } from "../../pipeline/EventLog.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, Instant, pageQuery, searchedUntil, SearchQuery, Text, Uuid, UuidText } from "../Query.ts"

const Event = MessageEvent.annotate({ identifier: "MessageEvent" })
const EventPage = Schema.Struct({
  items: Schema.Array(Event),
  next_cursor: Schema.optionalKey(Schema.String),
  ...searchedUntil
})

/** Of `GET /events`, besides the cursor and the limit. */
export const eventFilters = {
  channel: Text,
  trace_id: Uuid,
  thread_id: Text,
  since: Instant,
  until: Instant,
  text: SearchQuery,
  connector_id: Text,
  actor_id: Text
}

export class EventsGroup extends HttpApiGroup.make("events").add(
  HttpApiEndpoint.get("list", "/events", {
    query: { ...eventFilters, ...pageQuery },
    success: EventPage
  }).annotateMerge(OpenApi.annotations({
    summary: "The events that were accepted, newest first",
    description:
      "With `text`, `connector_id` or `actor_id` a page looks at a bounded number of events: it may have fewer than " +
      "asked for, even none, and a `next_cursor` to go on with."
  })),
  HttpApiEndpoint.get("get", "/events/:id", {
    params: { id: UuidText },
    success: Event,
    error: problemResponse(404)
  })
) {}

export const eventsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "events",
    Effect.fnUntraced(function*(handlers) {
      const events = yield* EventLog
      return handlers
        .handle(
          "list",
          ({ query: { cursor, limit = defaultLimit, ...filter } }) =>
            reading(Effect.map(events.page(filter, { limit, cursor }), (page) => answer(EventPage, page)))
        )
        .handle("get", ({ params }) =>
          reading(Effect.flatMap(events.byId(params.id), (event) =>
            event === undefined
              ? Effect.fail(problem("event.not_found", "No event has this id."))
              : Effect.succeed(answer(Event, event)))))
    })
  )
