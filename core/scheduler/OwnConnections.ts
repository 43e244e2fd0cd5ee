/**
 * Connections that only the scheduler has: what is due does not queue behind what a busy host does besides.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer } from "effect"
import { layerClient } from "../database/Client.ts"

/** One for the loop, one for whoever changes a schedule meanwhile. */
const most = 2

export const layerOwnConnections = Layer.unwrap(
  Effect.map(
    PgClient.PgClient,
    ({ config }) => layerClient({ ...config, minConnections: 0, maxConnections: most, idleTimeout: "10 minutes" })
  )
)
