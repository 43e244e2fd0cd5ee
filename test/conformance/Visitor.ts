/**
 * SYRIS as a client before the suite: connects as the host does (`core/mcp/Connect.ts`), with the host's own way to sign in
 * and to be asked. What the operator does is done here: a link is followed, and a question is answered with its defaults.
 */
import { Effect, Layer, Logger, ManagedRuntime, Queue } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Environment } from "../../core/database/Environment.ts"
import { newId } from "../../core/database/Ids.ts"
import { McpFailed } from "../../core/mcp/McpConnection.ts"
import { Questions } from "../../core/mcp/Questions.ts"
import { makeServerRequests } from "../../core/mcp/ServerRequests.ts"
import { SignIns } from "../../core/mcp/SignIn.ts"
import { Heard, layerAsking } from "../../core/mcp/TestAsking.ts"
import { connectTo, settingsOf } from "../../core/mcp/testServers/connecting.ts"
import { Redactor } from "../../core/secrets/Redactor.ts"
import { openStore, SecretsStore } from "../../core/secrets/SecretsStore.ts"
import { layerTestDatabase } from "../../core/testing/TestDatabase.ts"

export interface Visit {
  readonly scenario: string
  readonly url: string
  readonly context: Readonly<Record<string, string>> | null
}

export interface Visitor {
  /** All that a visit needs is there. */
  readonly ready: Promise<unknown>
  readonly visit: (visit: Visit) => Promise<void>
  readonly close: () => Promise<void>
}

/** How often the operator signs in to one server that asks for it again and again. */
const mostSignIns = 3

/** Longer than by default: everything runs at once here, on a machine that does more. */
const handshakeMs = 50_000

/** What the tools of the suite take. */
const inputs: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { add_numbers: { a: 5, b: 3 } }

const settingsFor = ({ context, url }: Visit) => {
  const { client_id: clientId, client_secret: clientSecret } = context ?? {}
  return settingsOf({
    url,
    elicitation: true,
    ...(clientId === undefined
      ? {}
      : { oauth: { clientId, ...(clientSecret === undefined ? {} : { clientSecret }) } })
  })
}

const look = Effect.fnUntraced(function*(visit: Visit) {
  const settings = settingsFor(visit)
  const signIns = yield* SignIns
  const signIn = yield* signIns.of(settings)
  const requests = yield* makeServerRequests(settings)
  const once = Effect.tryPromise({
    try: async () => {
      const options = { handshakeMs, ...(signIn === undefined ? {} : { authProvider: signIn.provider }) }
      const server = await connectTo(settings, options, requests)
      try {
        const { tools } = await server.tools()
        for (const tool of tools) await server.call(tool, inputs[tool] ?? {}, { trace_id: newId() })
      } finally {
        await server.close()
      }
    },
    catch: (error) => error
  })
  for (let signed = 0;; signed++) {
    const tried = yield* Effect.result(once)
    if (tried._tag === "Success") return
    const link = signIn?.url()
    const asksFor = tried.failure instanceof McpFailed && tried.failure.sign_in === true
    if (!asksFor || link === undefined || signed === mostSignIns) return yield* Effect.fail(tried.failure)
    const back = yield* Effect.promise(() => fetch(link, { redirect: "manual" }))
    yield* signIns.callback(new URL(back.headers.get("location") ?? "", link).searchParams)
  }
})

/** Says yes to every question, and leaves each field to its default. */
const answerAll = Effect.gen(function*() {
  const questions = yield* Questions
  const { number } = yield* Queue.take(yield* Heard)
  const answered = questions.answer({ number }, { content: {} }, { by: "operator", at: new Date(0) })
  yield* SqlClient.SqlClient.use((sql) => sql.withTransaction(answered))
}).pipe(Effect.forever)

export const openVisitor = (): Visitor => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-visit-"))
  let visits = 0
  const runtime = ManagedRuntime.make(
    Layer.effectDiscard(Effect.forkScoped(answerAll)).pipe(
      Layer.provideMerge(layerAsking().layer),
      Layer.provideMerge(layerTestDatabase),
      Layer.provideMerge(Logger.layer([]))
    )
  )
  /** Each visit is by somebody who was never there. */
  const layerSignIns = () => {
    const own = path.join(home, String(++visits))
    return SignIns.layer.pipe(Layer.provide(Layer.mergeAll(
      Redactor.layerEmpty,
      Layer.succeed(SecretsStore, SecretsStore.of(openStore(own))),
      Layer.succeed(Environment, { home: own, host: "127.0.0.1", port: 4747, config: "", databaseUrl: undefined })
    )))
  }
  return {
    ready: Promise.all([runtime.context(), import("@modelcontextprotocol/client")]),
    visit: (visit) => runtime.runPromise(Effect.provide(look(visit), Layer.fresh(layerSignIns()))),
    close: async () => {
      await runtime.dispose()
      fs.rmSync(home, { recursive: true, force: true })
    }
  }
}
