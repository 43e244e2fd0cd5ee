/**
 * A database that an older version was used with, brought up to date: what is in it is still there, and goes on.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as path from "node:path"
import { emptyDatabase } from "../testing/TestDatabase.ts"
import { fromUrl, layerPool, migrate } from "./Database.ts"

const folder = path.join(import.meta.dirname, "..", "..", "migrations")

/** The first files, as the version had them that knew no others. */
const until = (last: number) =>
  Migrator.make({})({
    loader: Effect.sync(() =>
      fs.readdirSync(folder).filter((name) => /^\d{4}_\w+\.sql$/.test(name) && Number(name.slice(0, 4)) <= last).sort()
        .map((
          name
        ) =>
          [
            Number(name.slice(0, 4)),
            name.slice(5, -4),
            Effect.succeed(Effect.gen(function*() {
              const sql = yield* SqlClient.SqlClient
              yield* sql`create or replace function pg_temp.run_file(text) returns void language plpgsql as 'begin execute $1; end'`
              yield* sql`select pg_temp.run_file(${fs.readFileSync(path.join(folder, name), "utf8")})`
            }))
          ] as const
        )
    ),
    table: "migrations"
  })

const layerOldDatabase = Layer.unwrap(Effect.map(emptyDatabase, (url) => layerPool(fromUrl(url))))

layer(layerOldDatabase, { excludeTestServices: true, timeout: "60 seconds" })("an older database", (it) => {
  it.effect("keeps its timers: they are told, those that are overdue, too, and nothing else is made of them", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* until(3)
      yield* sql`
        insert into schedules (schedule_id, name, enabled, type, spec, timezone, payload, trust, trace_id, made_by,
                               next_run_at, created_at, updated_at)
        select gen_random_uuid(), t.name, t.next is not null, 'one_shot', '2026-01-01T00:00:00.000Z', 'UTC',
               jsonb_build_object('channel', 'scheduler', 'connector_id', t.connector, 'text', 'Timer: ' || t.name), 'operator',
               gen_random_uuid(), gen_random_uuid(), t.next, now() - interval '1 day', now()
        from (values ('overdue', 'timers', now() - interval '1 hour'), ('to come', 'timers', now() + interval '1 hour'),
                     ('canceled', 'timers', null), ('other', 'mine', now() + interval '1 hour'))
             t(name, connector, next)`
      yield* migrate
      const rows = yield* sql`
        select name, notify, catch_up, look_at = next_run_at as looked_at, held, revision, anchor = created_at as anchored
        from schedules order by name`
      const one = { catch_up: "run_once", looked_at: true, held: false, revision: 1, anchored: true }
      assert.deepEqual(rows, [
        { name: "other", notify: null, ...one },
        { name: "overdue", notify: "Timer: overdue", ...one },
        { name: "to come", notify: "Timer: to come", ...one }
      ])
    }))
})
