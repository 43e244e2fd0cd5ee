/**
 * Where the records are, for a command that reads them without a host: the database of DATABASE_URL, or the one in the home
 * while a host runs it.
 */
import { Effect, Redacted } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Connection, fromUrl } from "../database/Database.ts"
import { database, username } from "../database/embedded/FirstStart.ts"
import { socketName } from "../database/embedded/Place.ts"
import { Environment } from "../database/Environment.ts"
import { CommandFailed } from "./CommandFailed.ts"

const stopped = (home: string): CommandFailed =>
  new CommandFailed({
    sentence:
      `The database in ${home} runs only while SYRIS does, and it does not: start it with \`syris up\`, then replay again.`,
    exit_code: 2
  })

/** The folder of the socket, as the server itself has written it down. */
const socketOf = (home: string): string | undefined => {
  try {
    const data = fs.realpathSync(path.join(home, "postgres"))
    const folder = fs.readFileSync(path.join(data, "postmaster.pid"), "utf8").split("\n")[4] ?? ""
    const socket = path.join(path.resolve(data, folder), socketName)
    return fs.existsSync(socket) ? socket : undefined
  } catch {
    return undefined
  }
}

export const recordsAt = Effect.gen(function*() {
  const { databaseUrl, home } = yield* Environment
  if (databaseUrl !== undefined) return fromUrl(databaseUrl) satisfies Connection
  const socket = socketOf(home)
  return socket === undefined
    ? yield* stopped(home)
    : { path: socket, database, username, password: Redacted.make("") } satisfies Connection
})
