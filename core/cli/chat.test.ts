import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue, Schedule } from "effect"
import type { ServerResponse } from "node:http"
import { freePort } from "../../test/FreePort.ts"
import { answer, type Asked, type Ran, recordedHost, run, runChild, temporaryHome } from "./RecordedHost.ts"
import { TypedLines } from "./typing.ts"

interface Line {
  readonly text: string
  readonly thread_id: string
}

const trace_id = "0199b3f2-6c1e-7a52-9d3e-0c5b6f1d2e40"
const message = (number: number, text: string, over: object = {}) => ({
  message_id: `m${number}`,
  trace_id,
  kind: "reply",
  text,
  at: "2026-11-22T14:00:00.000Z",
  ...over
})
type Message = ReturnType<typeof message>

/**
 * A host that answers lines as `play` says. `says` lets it say something in the stream, and in the list from then on.
 */
const chatHost = Effect.fnUntraced(
  function*(play: (line: Line, response: ServerResponse, says: (one: Message) => void) => void) {
    const said: Array<Message> = []
    const streams: Array<ServerResponse> = []
    const resumedAfter: Array<unknown> = []
    const says = (one: Message) => {
      said.unshift(one)
      streams.at(-1)?.write(`id: ${one.message_id}\ndata: ${JSON.stringify(one)}\n\n`)
    }
    const host = yield* recordedHost((asked, response) => {
      if (asked.method === "POST") return play(asked.body as Line, response, says)
      if (!asked.url.startsWith("/chat/stream")) return answer(response, 200, { items: said })
      resumedAfter.push(asked.headers["last-event-id"])
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write("retry: 2000\n\n")
      streams.push(response)
    })
    const lines = (): ReadonlyArray<Line> =>
      host.asked.filter(({ method }: Asked) => method === "POST").map(({ body }) => body as Line)
    /** Something that is no message: what a model is writing. */
    const writes = (type: string, data: object) =>
      streams.at(-1)?.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`)
    return { ...host, said, says, writes, streams, resumedAfter, lines }
  }
)

/** Somebody at the terminal, who types and waits for what is printed. */
const person = Effect.fnUntraced(function*(env: Record<string, string>, args: ReadonlyArray<string> = []) {
  const typed = yield* Queue.unbounded<string | undefined>()
  const printed: Array<string> = []
  /** What stood below at each change; nothing where it was taken away. */
  const live: Array<string | undefined> = []
  let changed = () => {}
  const print = (line: string) =>
    Effect.sync(() => {
      printed.push(line)
      changed()
    })
  const draw = (text: string | undefined) =>
    Effect.sync(() => {
      live.push(text)
      changed()
    })
  const until = <A>(found: () => A | undefined) =>
    Effect.callback<A>((resume) => {
      changed = () => {
        const now = found()
        if (now !== undefined) resume(Effect.succeed(now))
      }
      changed()
    }).pipe(Effect.timeout("30 seconds"))
  const running: Fiber.Fiber<Ran> = yield* run(env, ["chat", ...args]).pipe(
    Effect.provideService(
      TypedLines,
      Effect.succeed({ person: true, next: Queue.take(typed), print, live: draw, note: print })
    ),
    Effect.forkScoped
  )
  return {
    printed,
    type: (line: string) => Queue.offer(typed, line),
    /** Waits until so many lines are printed, the first one of `chat` included. */
    sees: (count: number) => until(() => printed.length >= count ? printed.slice(1, count) : undefined),
    live,
    /** Waits until what is being written stands there so often. */
    watches: (count: number) => until(() => live.length >= count ? live.slice(0, count) : undefined),
    leaves: Effect.andThen(Queue.offer(typed, undefined), Fiber.join(running)),
    ended: Fiber.join(running)
  }
})

const settled = (event_id: string, over: object) => ({ event_id, trace_id, deduped: false, settled: true, ...over })

describe("syris chat", () => {
  it.live(
    "says what is typed, and prints each answer once, with nothing invisible in it",
    () =>
      Effect.gen(function*() {
        const host = yield* chatHost((line, response, says) => {
          const text = `You said ${line.text}.\n\u001b[2J\u202eok`
          says(message(1, "By the way.", { kind: "notice" }))
          says(message(2, text, { event_id: "e1" }))
          answer(response, 200, settled("e1", { outcome: "succeeded", reply: text }))
        })
        const me = yield* person(host.env)
        yield* me.type("  ")
        yield* me.type(" hello ")
        assert.deepStrictEqual(yield* me.sees(4), ["By the way.", "You said hello.", "<U+001B>[2J<U+202E>ok"])
        yield* me.type("/quit")
        assert.deepStrictEqual(yield* me.ended, { code: 0, out: "", err: "" })
        assert.lengthOf(me.printed, 4)
        const [line] = host.lines()
        assert.lengthOf(host.lines(), 1)
        assert.match(line?.thread_id ?? "", /^cli-[0-9a-f]{8}$/)
        assert.deepStrictEqual(line, { text: "hello", thread_id: line?.thread_id ?? "" })
        assert.match(
          me.printed[0] ?? "",
          new RegExp(`${line?.thread_id ?? ""}.*"approvals".*"approve 2".*"deny 2.*"show 1"`)
        )
        assert.deepStrictEqual(
          host.asked.slice(0, 4).map(({ headers, method, url }) =>
            `${method} ${url} ${String(headers.prefer ?? "")}`.trim()
          ),
          [
            `GET /chat?thread_id=${line?.thread_id}&limit=500`,
            `GET /chat/stream?thread_id=${line?.thread_id}`,
            `GET /chat?thread_id=${line?.thread_id}&limit=500`,
            "POST /chat wait=30"
          ]
        )
      })
  )

  it.live(
    "shows what is being written as it comes, and the reply in its place",
    () =>
      Effect.gen(function*() {
        let held: ServerResponse | undefined
        const host = yield* chatHost((_, response) => void (held = response))
        const me = yield* person(host.env)
        yield* me.type("tell me")
        const about = { event_id: "e1", trace_id }
        yield* Effect.suspend(() => held === undefined ? Effect.fail("not asked yet") : Effect.void).pipe(
          Effect.retry(Schedule.spaced("5 millis"))
        )
        host.writes("delta", { ...about, from: 0, text: "I thi" })
        host.writes("delta", { ...about, from: 5, text: "nk" })
        host.writes("delta_reset", about)
        host.writes("of the future", { more: true })
        host.writes("delta", { ...about, from: 0, text: "It " })
        host.writes("delta", { ...about, from: 9, text: "after a gap" })
        host.writes("delta", { ...about, from: 0, text: "It is late" })
        assert.deepStrictEqual(yield* me.watches(6), ["I thi", "I think", undefined, "It ", undefined, "It is late"])
        assert.lengthOf(me.printed, 1)
        host.says(message(1, "It is late.", { event_id: "e1" }))
        assert.deepStrictEqual(yield* me.sees(2), ["It is late."])
        assert.deepStrictEqual(me.live.slice(6), [undefined])
        if (held !== undefined) answer(held, 200, settled("e1", { outcome: "succeeded", reply: "It is late." }))
        yield* me.leaves
        assert.lengthOf(me.printed, 2)
      })
  )

  it.live(
    "takes what is being written away when the connection is lost: it comes from its beginning again",
    () =>
      Effect.gen(function*() {
        const host = yield* chatHost((_, response, says) => {
          says(message(1, "Hello.", { event_id: "e0" }))
          answer(response, 200, settled("e0", { outcome: "succeeded", reply: "Hello." }))
        })
        const me = yield* person(host.env)
        yield* me.type("hello")
        yield* me.sees(2)
        host.writes("delta", { event_id: "e1", trace_id, from: 0, text: "half" })
        yield* me.watches(1)
        host.streams.at(-1)?.destroy()
        assert.deepStrictEqual(yield* me.watches(2), ["half", undefined])
        yield* me.leaves
        // It goes on after the message: what is being written is no place to go on from.
        assert.deepStrictEqual(host.resumedAfter.at(-1), host.resumedAfter.length > 1 ? "m1" : undefined)
      })
  )

  const endings: ReadonlyArray<readonly [end: object, words: RegExp]> = [
    [{ outcome: "unhandled" }, /^Nothing here understands that\.$/],
    [{ outcome: "succeeded" }, /^Done\.$/],
    [{ outcome: "failed" }, /^It failed\. See why with: syris trace 0199/],
    [{ outcome: "unknown", reply: "" }, /^It is unknown whether this happened/],
    [{ outcome: "waiting" }, /^It waits/],
    [{ outcome: "dropped" }, /^A filter dropped it\.$/],
    [{ settled: false }, /^Not finished after 30 s: it goes on by itself\.$/]
  ]
  it.live("tells in a sentence what ends without a word from the host", () =>
    Effect.gen(function*() {
      const host = yield* chatHost((line, response) =>
        answer(response, 200, settled(line.text, endings[Number(line.text)]?.[0] ?? {}))
      )
      const me = yield* person(host.env)
      for (const [index, [, words]] of endings.entries()) {
        yield* me.type(String(index))
        assert.match((yield* me.sees(index + 2)).at(-1) ?? "", words)
      }
      assert.strictEqual((yield* me.leaves).code, 0)
    }))

  it.live(
    "goes on while something is done: a second line does not wait for the end of the first",
    () =>
      Effect.gen(function*() {
        let first: ServerResponse | undefined
        const host = yield* chatHost((line, response, says) => {
          if (line.text === "brew") return void (first = response)
          says(message(1, "Stopped.", { event_id: "e2" }))
          answer(response, 200, settled("e2", { outcome: "succeeded", reply: "Stopped." }))
          if (first === undefined) return
          says(message(2, "No coffee.", { event_id: "e1" }))
          answer(first, 200, settled("e1", { outcome: "failed", reply: "No coffee." }))
        })
        const me = yield* person(host.env, ["--thread", "home"])
        yield* me.type("brew")
        while (first === undefined) yield* Effect.sleep("5 millis")
        yield* me.type("stop")
        assert.deepStrictEqual(yield* me.sees(3), ["Stopped.", "No coffee."])
        assert.deepStrictEqual(host.lines(), [{ text: "brew", thread_id: "home" }, { text: "stop", thread_id: "home" }])
        yield* me.leaves
      })
  )

  it.live(
    "a reply that nothing else brings is printed from the answer, and not again when the stream brings it",
    () =>
      Effect.gen(function*() {
        const host = yield* chatHost((line, response, says) => {
          if (line.text === "late") {
            return answer(response, 200, settled("e1", { outcome: "succeeded", reply: "Here." }))
          }
          says(message(1, "Here.", { event_id: "e1" }))
          says(message(2, "Here.", { event_id: "e1" }))
          says(message(3, "Last.", { event_id: "e2" }))
          answer(response, 200, settled("e2", { outcome: "succeeded", reply: "Last." }))
        })
        const me = yield* person(host.env)
        yield* me.type("late")
        yield* me.sees(2)
        yield* me.type("next")
        // The second "Here." is another message, and shown.
        assert.deepStrictEqual(yield* me.sees(4), ["Here.", "Here.", "Last."])
        yield* me.leaves
      })
  )

  it.live("finds a lost connection again without a gap or a repetition, and says so", () =>
    Effect.gen(function*() {
      const host = yield* chatHost((_, response) => answer(response, 503, {}))
      host.said.push(message(0, "Said before."))
      const me = yield* person(host.env, ["--thread", "home"])
      yield* me.type("x")
      // The stream stands; a message falls between its loss and its return, before there is an id to go on from.
      yield* me.sees(2)
      host.said.unshift(message(1, "In between."))
      host.streams[0]?.destroy()
      assert.deepStrictEqual((yield* me.sees(5)).slice(1), [
        "The connection is lost. Trying until SYRIS is back; Ctrl-C ends this.",
        "The connection is back.",
        "In between."
      ])
      host.says(message(2, "Live."))
      yield* me.sees(6)
      host.streams[1]?.destroy()
      yield* me.sees(8)
      host.says(message(3, "Live again."))
      assert.strictEqual((yield* me.sees(9)).at(-1), "Live again.")
      yield* me.leaves
      assert.deepStrictEqual(host.resumedAfter, [undefined, undefined, "m2"])
      assert.lengthOf(me.printed.filter((line) => /Said before|In between|Live/.test(line)), 3)
    }))

  it.live("says the host's own sentence when a line is refused, and goes on", () =>
    Effect.gen(function*() {
      const host = yield* chatHost((line, response) =>
        line.text === "long"
          ? answer(response, 400, { detail: "text is too long: use 65536 characters at most." })
          : answer(response, 200, settled("e1", { outcome: "succeeded" }))
      )
      const me = yield* person(host.env)
      yield* me.type("long")
      yield* me.sees(2)
      yield* me.type("short")
      assert.deepStrictEqual(yield* me.sees(3), ["syris: text is too long: use 65536 characters at most.", "Done."])
      assert.strictEqual((yield* me.leaves).code, 0)
    }))

  it.live("ends where waiting does not help", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((asked, response) =>
        asked.url.startsWith("/chat?") ? answer(response, 200, { items: [] }) : answer(response, 401, {})
      )
      const me = yield* person(host.env)
      const ran = yield* me.ended
      assert.strictEqual(ran.code, 1)
      assert.match(ran.err, /does not know the token/)
    }))

  it.live(
    "takes lines from a pipe: one after the other, each with what came of it, and then ends",
    () =>
      Effect.gen(function*() {
        const open = yield* Deferred.make<void>()
        let answering = 0
        const host = yield* chatHost((line, response, says) => {
          assert.strictEqual(++answering, 1)
          if (line.text === "thrée") {
            answering--
            return answer(response, 200, settled("e3", { outcome: "unhandled" }))
          }
          setImmediate(() => {
            answering--
            host.writes("delta", { event_id: line.text, trace_id, from: 0, text: line.text })
            says(message(answering, `${line.text}!`, { message_id: line.text, event_id: line.text }))
            answer(response, 200, settled(line.text, { outcome: "succeeded", reply: `${line.text}!` }))
            Deferred.doneUnsafe(open, Effect.void)
          })
        })
        const ran = yield* runChild(host.env, ["chat", "--thread", "pipe"], { input: "one\n\ntwo\r\nthrée" })
        yield* Deferred.await(open)
        assert.deepStrictEqual(ran, { code: 0, out: "one!\ntwo!\nNothing here understands that.\n", err: "" })
        assert.deepStrictEqual(host.lines().map(({ text }) => text), ["one", "two", "thrée"])
        assert.strictEqual(host.asked.find(({ method }) => method === "POST")?.headers.prefer, "wait=60")
      })
  )

  it.live("a pipe ends at a line that can't be taken: what follows may build on it", () =>
    Effect.gen(function*() {
      const host = yield* chatHost((line, response) =>
        line.text === "two"
          ? answer(response, 400, { detail: "This is no line." })
          : answer(response, 200, settled("e1", { outcome: "succeeded" }))
      )
      const ran = yield* runChild(host.env, ["chat"], { input: "one\ntwo\nthree\n" })
      assert.deepStrictEqual(ran, { code: 1, out: "Done.\n", err: "syris: This is no line.\n" })
      assert.lengthOf(host.lines(), 2)
    }))

  it.live("says how to start SYRIS where none runs", () =>
    Effect.gen(function*() {
      const port = yield* Effect.promise(freePort)
      const ran = yield* runChild({ SYRIS_HOME: yield* temporaryHome, SYRIS_PORT: String(port) }, ["chat"])
      assert.deepStrictEqual(ran, {
        code: 1,
        out: "",
        err: `syris: No SYRIS is running at http://127.0.0.1:${port}. Start it with: npm start\n`
      })
    }))
})
