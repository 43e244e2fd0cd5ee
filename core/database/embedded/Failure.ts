/**
 * What can go wrong with the embedded PostgreSQL, as a sentence for the operator that says what to do.
 */
import { Effect, Schema } from "effect"
import * as fs from "node:fs"

export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

export const readOr = (file: string, otherwise: string) => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return otherwise
  }
}

export const attempt = <A>(file: string, body: () => A): Effect.Effect<A, EmbeddedPostgresError> =>
  Effect.try({ try: body, catch: (cause) => cause instanceof EmbeddedPostgresError ? cause : plainly(cause, file) })

export const plainly = (cause: unknown, file: string) => {
  const { code, message, syscall } = cause as NodeJS.ErrnoException
  const detail = code === "ENOSPC" || code === "EDQUOT"
    ? `There is no space left on the disk of ${file}: free some, then start again.`
    : code === "EACCES" || code === "EPERM" || code === "EROFS"
    ? `This user may not use ${file}: start SYRIS as its owner, or set SYRIS_HOME to another folder.`
    : code === "EINVAL" && syscall?.endsWith("chown") // a container that has no user but root
    ? "PostgreSQL does not run as root, and here is no other user to run it as: start SYRIS as an ordinary user, or set DATABASE_URL."
    : `The embedded PostgreSQL can't be started: ${message}.`
  return new EmbeddedPostgresError({ detail, cause })
}

/** The decisive line of what PostgreSQL said. */
export const explain = (said: string, dataDir: string, log: string | undefined) => {
  if (/No space left on device|Disk quota exceeded|Check free disk space/.test(said)) {
    return new EmbeddedPostgresError({
      detail: `There is no space left on the disk of ${dataDir}: free some, then start again.`
    })
  }
  const lines = said.split("\n").filter((line) => line.trim() !== "")
  const line = lines.findLast((text) => /FATAL|PANIC|error:|could not|received/.test(text)) ?? lines.at(-1) ??
    "it gave no reason"
  return new EmbeddedPostgresError({
    detail: `PostgreSQL ended: ${line.replace(/^.*?(FATAL|PANIC|LOG|error): +/, "")}${
      log === undefined ? "" : ` (more in ${log})`
    }.`
  })
}
