/**
 * The PostgreSQL that comes with SYRIS: a real server on a private unix socket, its data in `<home>/postgres`.
 *
 * What is committed is on the disk: `fsync`, `full_page_writes` and `synchronous_commit` can't be turned off by a
 * file. It lives exactly as long as its host. It runs in a session of its own under a shell that waits on a pipe
 * held by the host; when the pipe closes, however the host ended, the shell stops PostgreSQL. Where that shell was
 * killed too, the next start finds what still runs on the data folder and ends it, by its own processes and never by
 * a process id alone. A data folder appears whole or not at all.
 *
 * PostgreSQL refuses to run as root: started by root it runs as the owner of the data, or as `nobody`, and what that
 * user can't reach in the home is kept under `/var/lib/syris`, with a link in the home and a `note` to say so.
 */
import { Deferred, Effect, Schedule, type Scope } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { attempt, EmbeddedPostgresError } from "./embedded/Failure.ts"
import { database, initialise, username } from "./embedded/FirstStart.ts"
import { endLeftovers } from "./embedded/Leftovers.ts"
import { checkVersion, choosePlace } from "./embedded/Place.ts"
import { launch, limitLog } from "./embedded/Server.ts"
import * as HomeLock from "./HomeLock.ts"

export { EmbeddedPostgresError }

export interface Running {
  /** Settings for `PgClient`. */
  readonly connection: { readonly path: string; readonly database: string; readonly username: string }
  readonly version: string
  readonly pid: number
  readonly dataDir: string
  /** What the operator should know about where things are, as a sentence. */
  readonly note: string | undefined
  /** Fails when PostgreSQL ends although nobody asked it to. */
  readonly lost: Effect.Effect<never, EmbeddedPostgresError>
}

/** Starts the home's PostgreSQL, made at the first start, and stops it with the scope. Holds the home meanwhile. */
export const start = (options: {
  readonly home: string
  /** Given by a host that holds its home already. */
  readonly lock?: HomeLock.HomeLock
}): Effect.Effect<Running, EmbeddedPostgresError, Scope.Scope> =>
  Effect.gen(function*() {
    const { home } = options.lock ?? (yield* HomeLock.acquire(options.home).pipe(
      Effect.mapError((error) => new EmbeddedPostgresError({ detail: error.detail, cause: error }))
    ))
    const place = yield* attempt(home, () => choosePlace(home))
    if (place.abandoned) {
      yield* endLeftovers(place)
      yield* attempt(place.dataDir, () => fs.renameSync(place.dataDir, `${place.dataDir}.old-${Date.now()}`))
    }
    if (fs.existsSync(place.dataDir)) {
      yield* attempt(place.dataDir, () => checkVersion(place))
      yield* endLeftovers(place)
    } else yield* initialise(home, place)
    const log = path.join(home, "postgres.log")
    const server = yield* launch(place, log)
    yield* attempt(log, () => limitLog(log)).pipe(
      Effect.ignore,
      Effect.repeat(Schedule.spaced("1 minute")),
      Effect.forkScoped
    )
    return {
      connection: { path: server.socket, database, username },
      version: place.version.replace(/\.\d+-.*$/, ""),
      pid: server.pid,
      dataDir: place.dataDir,
      note: place.notes.length === 0 ? undefined : place.notes.join(" "),
      lost: Deferred.await(server.lost)
    }
  })
