import { assert, describe, it } from "@effect/vitest"
import { makeTestPipe } from "../protocol/TestPipe.ts"
import { loadOver } from "../startIsolate.ts"
import { makeGuest } from "./Guest.ts"
import { everythingCode, makeHearing, tellEverything } from "./TestEverything.ts"

const start = async (code: object = {}, module?: Record<string, unknown>) => {
  const pipe = makeTestPipe()
  const { hearing, lines } = makeHearing()
  const guest = makeGuest({
    send: pipe.send,
    end: () => pipe.end({ code: "exited", reason: "it ended by itself" }),
    read: (url) => module === undefined ? import(/* @vite-ignore */ url) as Promise<any> : Promise.resolve(module)
  })
  pipe.onSent(guest.receive)
  return { lines, pipe, isolate: await loadOver(pipe.wire, { code: { ...everythingCode, ...code } }, hearing) }
}

const why = (started: Promise<unknown>): Promise<string> =>
  started.then(() => "it started", (error: unknown) => (error as Error).message)

describe("the guest", () => {
  it("serves the whole plugin API", async () => {
    const { isolate, lines } = await start()
    await tellEverything(isolate, lines)
  }, 60_000)

  it("says what is wrong with a plugin in the words that it would have inline", async () => {
    assert.equal(
      await why(start({ options: { greeting: "Hello", token: 5 } })),
      "the option \"token\" must be secret(name, key)"
    )
    assert.match(await why(start({ options: { greetin: "Hello", token: "x" } })), /did you mean "greeting"/)
    assert.equal(await why(start({ plugin: "other" })), "it exports no plugin that is named other")
    assert.match(await why(start({ entry: "/not/there.ts" })), /^it threw while it was loaded: /)
  }, 60_000)

  it("ends when it is told to, and aborts what runs", async () => {
    const { isolate, pipe } = await start()
    const run = isolate.invoke({
      part: "tool",
      name: "everything.fail",
      member: "run",
      args: [{ how: "wait" }],
      facts: {},
      asks: {},
      signal: new AbortController().signal
    })
    pipe.wire.send({ jsonrpc: "2.0", method: "shutdown" })
    assert.equal((await run.catch((error: unknown) => error as Error) as Error).message, "aborted")
    assert.equal((await isolate.ended).code, "exited")
  })
})
