/** The whole plugin API, told as one story to an isolate of `test/fixtures/isolates/everything.ts`, whatever it runs in. */
import { assert } from "@effect/vitest"
import * as path from "node:path"
import { TaskStepFailed } from "../../core/plugin/TaskDefinition.ts"
import { ToolRefused, ToolUnknown } from "../../core/plugin/Tool.ts"
import type { Hearing, Invocation, Isolate } from "../Isolate.ts"

export const everything = path.resolve(import.meta.dirname, "../../test/fixtures/isolates/everything.ts")

export const everythingCode = {
  entry: everything,
  plugin: "everything",
  name: "everything.tea",
  options: { greeting: "Hello", token: "written out", every: "tea" },
  timezone: "Europe/London",
  folders: [],
  grant: { net: [], read: [] }
}

type Line = Parameters<Hearing["log"]>[0]

export const makeHearing = () => {
  const lines: Array<Line> = []
  return { lines, hearing: { log: (line: Line) => void lines.push(line) } }
}

const ask = (
  isolate: Isolate,
  part: Invocation["part"],
  name: string,
  member: string,
  args: Invocation["args"] = [],
  more: Partial<Invocation> = {}
): Promise<any> =>
  isolate.invoke({ part, name, member, args, facts: {}, asks: {}, signal: new AbortController().signal, ...more })

const rejects = async (promise: Promise<unknown>): Promise<Error & { readonly code?: string }> => {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error("It did not fail.")
}

export const tellEverything = async (isolate: Isolate, lines: ReadonlyArray<Line>): Promise<void> => {
  const { described } = isolate
  assert.deepEqual([described.plugin, described.instance, described.version], ["everything", "tea", "1.2.3"])
  assert.deepEqual(described.tools.map(({ name }) => name), ["everything.brew", "everything.fail", "everything.keep"])
  const [brew] = described.tools
  assert.deepEqual(brew?.has, ["preview", "probe", "compensate", "target", "action", "blastRadius"])
  assert.equal(brew?.timeout_ms, 10_000)
  assert.isUndefined(brew?.risk)
  assert.equal(described.channels[0]?.send?.name, "kitchen.pot.send")
  assert.deepEqual(described.intents[0]?.patterns, [{ source: "brew (?<cups>\\d+) cups?", flags: "" }])
  assert.deepEqual(described.watchers[0], { name: "pot", interval_ms: 60_000, throttle: { events: 5, per_ms: 60_000 } })
  assert.deepEqual(described.tasks.map(({ kind }) => kind), ["steps", "code"])
  assert.deepEqual(described.plain_secrets, ["token"])
  assert.deepEqual(described.secrets, [["extra", "key"]])
  assert.isUndefined(described.refused)

  await tools(isolate, lines)
  await failures(isolate)
  await restOfParts(isolate, lines)
  await code(isolate)
}

const tools = async (isolate: Isolate, lines: ReadonlyArray<Line>): Promise<void> => {
  assert.deepEqual(await ask(isolate, "tool", "everything.brew", "read", [{ cups: 11 }]), {
    ok: true,
    input: { cups: 11 },
    risk: "high",
    target: "pot 11",
    action: "brew",
    blast_radius: 11
  })
  assert.deepEqual(await ask(isolate, "tool", "everything.brew", "read", [{ cup: 1 }]), {
    ok: false,
    mistake: "The input of everything.brew: there is no field \"cup\"; did you mean \"cups\"?"
  })
  const order: Array<unknown> = []
  const answer = await ask(isolate, "tool", "everything.brew", "run", [{ cups: 2, at: "1970-01-01T00:00:00.000Z" }], {
    facts: { idempotencyKey: "key-1", traceId: "t", trust: "operator", now: 0 },
    asks: {
      emit: (event) => void order.push(event),
      progress: (progress) => void order.push(progress),
      secret: (name, key) => JSON.stringify([name, key])
    }
  })
  assert.deepEqual(answer, {
    output: { said: "2 with [\"coffee\",\"key\"] for key-1", at: "1970-01-01T00:00:00.000Z" }
  })
  assert.deepEqual(order, [
    { percent: 50 },
    { channel: "kitchen", text: "first" },
    { channel: "kitchen", text: "second" }
  ])
  assert.isTrue(
    lines.some(({ fields, invocation, message }) =>
      message === "brewing" && fields?.["cups"] === 2 && invocation !== undefined
    )
  )
  assert.equal(await ask(isolate, "tool", "everything.brew", "preview", [{ cups: 3 }]), "Would brew 3.")
  assert.equal(await ask(isolate, "tool", "everything.brew", "probe", [{ cups: 3 }]), "done")
  await ask(isolate, "tool", "everything.brew", "compensate", [{ cups: 3 }, {
    said: "x",
    at: "1970-01-01T00:00:00.000Z"
  }])
  assert.isTrue(lines.some(({ fields, message }) => message === "taken back" && fields?.["isDate"] === true))

  const kept: Array<number> = []
  const artifact = (data: unknown, meta: unknown) => {
    kept.push(
      typeof data === "string" ? data.length : Buffer.from((data as { "~bytes": string })["~bytes"], "base64").length
    )
    return { artifact_id: "a", name: (meta as { name?: string }).name ?? "", media_type: "x/y", bytes: kept.at(-1)! }
  }
  for (const bytes of [100, 900_000]) {
    await ask(isolate, "tool", "everything.keep", "run", [{ bytes }], { asks: { artifact } })
  }
  assert.deepEqual(kept, [100, 50, 900_000, 450_000])
  assert.match(
    (await rejects(ask(isolate, "tool", "everything.keep", "run", [{ bytes: 9_000_000 }], { asks: { artifact } })))
      .message,
    /An artifact has at most 8 MiB, and this one has 8\.6\./
  )
}

const failures = async (isolate: Isolate): Promise<void> => {
  const run = (how: string, more: Partial<Invocation> = {}) =>
    ask(isolate, "tool", "everything.fail", "run", [{ how }], more)
  const refused = await rejects(run("refused"))
  assert.instanceOf(refused, ToolRefused)
  assert.equal(refused.message, "The pot is empty.")
  assert.instanceOf(await rejects(run("unknown")), ToolUnknown)
  assert.equal((await rejects(run("code"))).code, "ECONNRESET")
  assert.equal((await rejects(run("text"))).message, "just words")
  assert.deepEqual(await run("too long"), { invalid: "The output of everything.fail is longer than 1 MiB." })
  assert.deepEqual(await run("long"), { invalid: "The output of everything.fail is longer than 1 MiB." })
  assert.match(
    ((await run("date")) as { invalid: string }).invalid,
    /^The output of everything\.fail has a Date at "when"/
  )
  assert.match((await rejects(run("scheme"))).message, /file: is not http or https/)
  assert.match((await rejects(run("ask"))).message, /there is no secret here/)
  const lost = await rejects(run("call", {
    asks: {
      call: () => {
        throw new ToolUnknown("Nobody knows.")
      }
    }
  }))
  assert.instanceOf(lost, ToolUnknown)
  const controller = new AbortController()
  const waiting = rejects(run("wait", { signal: controller.signal }))
  controller.abort()
  assert.equal((await waiting).name, "AbortError")
  assert.match((await rejects(ask(isolate, "tool", "not.there", "run", [{}]))).message, /there is no tool not\.there/)
}

const restOfParts = async (isolate: Isolate, lines: ReadonlyArray<Line>): Promise<void> => {
  const emitted: Array<unknown> = []
  const emit = async (event: unknown) => {
    emitted.push(event)
    return { event_id: "e-1", trace_id: "t", deduped: false }
  }
  const listening = new AbortController()
  const listens = rejects(ask(isolate, "channel", "pot", "receive", [], {
    asks: { emit, secret: () => "no" },
    signal: listening.signal
  }))
  while (!lines.some(({ message }) => message === "e-1")) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.deepEqual(emitted, [{ channel: "kitchen", text: "written out from everything.tea" }])
  listening.abort()
  assert.equal((await listens).name, "AbortError")
  const hook = (text: string, sign = "right") =>
    ask(isolate, "channel", "pot", "webhook", [{
      headers: { "x-sign": sign },
      body: { "~bytes": Buffer.from(text).toString("base64") }
    }])
  assert.deepEqual(await hook("hello ü"), { event: { channel: "kitchen", connector_id: "pot", text: "hello ü" } })
  assert.deepEqual(await hook("ping"), { reply: { contentType: "text/plain", body: "pong" } })
  assert.isNull(await hook("hello", "wrong"))
  assert.equal((await rejects(hook("bad"))).name, "WebhookRefused")
  await ask(isolate, "channel", "pot", "live", [{ event_id: "e", trace_id: "t", to: "me", text: "so far" }])
  assert.isTrue(lines.some(({ fields }) => fields?.["text"] === "so far"))
  assert.deepEqual(await ask(isolate, "tool", "kitchen.pot.send", "run", [{ text: "hi" }]), { output: { sent: "hi" } })
  assert.deepEqual(await ask(isolate, "watcher", "pot", "tick", ["2026-01-01T00:00:00.000Z", 4]), {
    state: 5,
    emitted: [{ text: "looked at 2026-01-01T00:00:00.000Z" }]
  })
  assert.deepEqual(await ask(isolate, "intent", "everything.please", "input", [{ cups: "3" }]), { input: { cups: 3 } })
  const answer = await ask(isolate, "route", "POST /rooms/:name", "handle", [{
    method: "POST",
    url: "http://127.0.0.1/rooms/a",
    headers: [["content-type", "text/plain"]],
    body: { "~bytes": Buffer.from("body").toString("base64") }
  }])
  assert.equal(answer.status, 201)
  assert.equal(
    Buffer.from(answer.body["~bytes"], "base64").toString(),
    "Hello extra Europe/London body /rooms/a"
  )
  assert.isTrue((answer.headers as ReadonlyArray<readonly [string, string]>).some(([key]) => key === "x-room"))
  assert.deepEqual(await ask(isolate, "job", "everything.count", "read", [{ to: 101 }]), {
    ok: true,
    input: { to: 101 },
    risk: "medium"
  })
  const progress: Array<unknown> = []
  assert.deepEqual(
    await ask(isolate, "job", "everything.count", "run", [{ to: 10 }], {
      facts: { jobId: "j", traceId: "t", attempt: 2, trust: "operator" },
      asks: { emit, progress: (given) => void progress.push(given), artifact: () => ({ artifact_id: "a" }) }
    }),
    { output: { sum: 55 } }
  )
  assert.deepEqual(progress, [{ percent: 100, message: "attempt 2" }])
}

const code = async (isolate: Isolate): Promise<void> => {
  const read = await ask(isolate, "task", "everything.steps", "read", [{ cups: 1 }])
  assert.deepEqual(read.steps, [
    { name: "one", tool: "everything.brew", input: { cups: 1 } },
    [
      { name: "two", tool: "everything.brew", input: { cups: 1 } },
      { name: "wait", kind: "wait", input: { delay_ms: 5_000 } }
    ]
  ])
  const calls: Array<unknown> = []
  const answer = await ask(isolate, "task", "everything.code", "run", [{ cups: 1 }], {
    facts: { taskId: "task", traceId: "t", now: 0 },
    asks: {
      call: (tool, input, options) => {
        calls.push([tool, input, options])
        if (tool === "everything.fail") {
          throw new TaskStepFailed("refused", { step: "fail", position: 4, code: "tool.refused" })
        }
        const { cups, at } = input as { cups: number; at?: string }
        return { output: { said: `cups ${cups}`, ...(at === undefined ? {} : { at }) }, now: 1_000 * cups }
      },
      sleep: (ms, name) => {
        calls.push([ms, name])
        return { now: 3_600_000 }
      },
      sleepUntil: (at, name) => {
        calls.push([at, name])
        return { now: 86_400_000 }
      }
    }
  })
  assert.deepEqual(answer, {
    output: {
      said: ["cups 1", "cups 2"],
      date: true,
      now: "1970-01-02T00:00:00.000Z",
      failed: ["tool.refused", "fail", 4]
    }
  })
  assert.deepEqual(calls, [
    ["everything.brew", { cups: 1, at: "1970-01-01T00:00:00.000Z" }, { maxAttempts: 2, retry: { baseDelay: 1_000 } }],
    ["everything.brew", { cups: 2 }, { name: "again" }],
    [3_600_000, "rest"],
    ["1970-01-02T00:00:00.000Z", "sleep"],
    ["everything.fail", { how: "refused" }, {}]
  ])
}
