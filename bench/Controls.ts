/**
 * Starts what the benches about tasks measure: the host's layers and the controls, each a process of its own.
 */
import * as path from "node:path"
import type { DbosOrders } from "./controls/dbos.ts"
import type { GraphileOrders } from "./controls/graphile.ts"
import type { PgBossOrders } from "./controls/pgBoss.ts"
import type { ThinOrders } from "./controls/thinTasks.ts"
import { say } from "./Report.ts"
import { type Postgres, root } from "./Setup.ts"
import { type Orders, startSubject, type Subject } from "./Subject.ts"
import type { TaskHostOrders } from "./TaskHost.ts"

type Env = Readonly<Record<string, string>>
type Start<Of extends Orders> = (postgres: Postgres, database: string, env?: Env) => Promise<Subject<Of>>

const control = <Of extends Orders>(file: string): Start<Of> => (postgres, database, env = {}) =>
  startSubject<Of>(path.join(root, "bench", "controls", file), {
    URL: postgres.url(database),
    SOCKET: path.join(postgres.socketFolder, ".s.PGSQL.5432"),
    DATABASE: database,
    USER_NAME: postgres.user,
    NODE_NO_WARNINGS: "1",
    ...env
  })

export const startDbos = control<DbosOrders>("dbos.ts")
export const startGraphile = control<GraphileOrders>("graphile.ts")
export const startPgBoss = control<PgBossOrders>("pgBoss.ts")
export const startThin = control<ThinOrders>("thinTasks.ts")

export type TaskHost = Subject<TaskHostOrders>

const within = <A>(promise: Promise<A>, seconds: number, what: string): Promise<A> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${seconds} s.`)), seconds * 1_000)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** The host's layers on a database that has its schema. */
export const startTaskHost = (home: string, postgres: Postgres, database: string): Promise<TaskHost> =>
  startSubject<TaskHostOrders>(path.join(root, "bench", "TaskHost.ts"), { HOME: home, URL: postgres.url(database) })

/** The same, having run a task; says why where it can't. */
export const tryTaskHost = async (
  home: string,
  postgres: Postgres,
  database: string
): Promise<TaskHost | undefined> => {
  try {
    const host = await within(startTaskHost(home, postgres, database), 60, "The start")
    try {
      await within(host.ask("run", { count: 1, atOnce: 1, steps: 1 }), 20, "A first task")
      return host
    } catch (error) {
      await host[Symbol.asyncDispose]()
      throw error
    }
  } catch (error) {
    say(`THE HOST WAS NOT MEASURED: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`)
    return undefined
  }
}
