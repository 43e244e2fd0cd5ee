/**
 * Where jobs run: each in an isolate of its own, which loads the plugin that has its kind. A thread comes from a pool and is
 * warm; a process and a Deno process are new each time.
 */
import { Context, Effect, Layer } from "effect"
import * as path from "node:path"
import type { Hearing, Isolate } from "../../sandbox/Isolate.ts"
import { clearFolders } from "../../sandbox/runtimes/PrivateFolder.ts"
import { startIsolate } from "../../sandbox/startIsolate.ts"
import { Environment } from "../database/Environment.ts"
import { grantedEnv } from "../isolates/Access.ts"
import type { RegisteredJob } from "../plugin/Registry.ts"
import type { HeldJob } from "./HeldJob.ts"

export class JobIsolates extends Context.Service<JobIsolates, {
  /**
   * Rejects with an error whose message is a sentence's end where the plugin can't be loaded, or where the signal is aborted
   * before it is.
   */
  readonly start: (
    job: HeldJob,
    registered: RegisteredJob,
    hearing: Hearing,
    signal: AbortSignal
  ) => Promise<Isolate>
}>()("syris/workers/JobIsolates") {
  static readonly layer = Layer.effect(
    JobIsolates,
    Effect.gen(function*() {
      const { home } = yield* Environment
      const temporary = path.join(home, "isolates", "temporary")
      yield* Effect.promise(() => clearFolders(temporary))
      return JobIsolates.of({
        start: async ({ limits, runtime }, { code }, hearing, signal) => {
          if (typeof code === "string") throw new Error(code)
          return startIsolate(
            {
              runtime,
              code,
              limits: { memoryMb: limits.memory_mb },
              temporary,
              prepared: path.join(home, "isolates", "prepared"),
              env: grantedEnv(code.grant?.env)
            },
            hearing,
            signal
          )
        }
      })
    })
  )
}
