/**
 * A secret in every input, output and error of every part: afterwards it is found nowhere, neither in the database nor in
 * logs, artifacts, files, questions to the model or what went out, as it is or written otherwise; and the operator is told.
 */
import { createHmac } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { missing as missingMail } from "../servers/MailServer.ts"
import { missing as missingBroker } from "../servers/Mosquitto.ts"
import { loudly } from "../servers/ServerProcess.ts"
import { until } from "../storms/Until.ts"
import { harmless, harmlessIn, inDatabase, leaksIn, searchFor, secrets, stringsIn, wicked } from "./Canary.ts"
import { ada, type CanaryHouse, hookKey, openCanaryHouse, syris } from "./CanaryHouse.ts"
import { runSyris } from "./HostProcess.ts"

const { odd, pem, plain } = secrets
const everything = { [plain]: odd, wicked, list: [pem, { [odd]: plain }] }
/** What fits where a thousand characters do. */
const reason = `${harmless} ${plain} ${odd} ${pem}`

const lacking = [...new Set([...missingMail(), ...missingBroker()])]

describe.skipIf(lacking.length > 0)(`secrets in everything that comes in and goes out${loudly(lacking)}`, () => {
  let house: CanaryHouse
  beforeAll(async () => {
    house = await openCanaryHouse()
  }, 300_000)
  afterAll(() => house?.close())

  /** Posts what must not break the host, whatever it answers. */
  const post = async (at: string, body?: unknown, method?: string) => {
    const answer = await house.post(at, body, method)
    assert.isBelow(answer.status, at.startsWith("/plugins/") || at.startsWith("/hooks/careless") ? 600 : 500, at)
    return answer
  }
  const say = (text: string, more: object = {}) => post("/events", { channel: "chat", text, ...more })
  const act = (tool: string, input: object) => post("/tasks", { steps: [{ name: tool, tool, input, max_attempts: 1 }] })

  /** Says yes to what waits, and what became of calls of which nobody knows, until nothing is left to do. */
  const settle = () =>
    until("all of it to end", async () => {
      for (const { approval_id } of await house.pending()) await post(`/approvals/${approval_id}/approve`)
      const { items } = await house.host.get("/tool-calls?status=unknown")
      for (const { tool_call_id } of items) {
        await post(`/tool-calls/${tool_call_id}/settle`, { outcome: "not_happened", note: reason })
      }
      const left = await house.database.query(
        `select w.kind, w.waits_for, c.tool, c.status from work w left join tool_calls c using (tool_call_id)
         where not (w.kind = 'task' and w.waits_for = 'time')`
      )
      if (left.length > 0 || (await house.pending()).length > 0) throw new Error(JSON.stringify(left.slice(0, 5)))
      return true
    }, 60_000)

  it("come by HTTP: as events, tasks, schedules, rules, reasons, edits, paths and headers", async () => {
    await say(wicked)
    await say(`remember that ${harmless} ${plain} ${odd}`)
    await say(`what do you know about ${plain}`)
    await say("careless", {
      structured: everything,
      thread_id: plain,
      actor_id: odd,
      links: [odd, plain],
      device_id: odd
    })
    for (const text of [wicked, `${wicked} again`]) await say(text, { message_id: plain, structured: everything })
    await post("/events", { channel: plain, text: wicked })
    await post("/events", { channel: odd, text: wicked })
    await post("/events", { channel: "chat", [plain]: odd, timezone: odd })
    await post("/events", `{"channel": "chat", "text": ${JSON.stringify(wicked)}`)
    await post("/events?dry_run=true", { channel: "chat", text: wicked, structured: everything })
    for (const how of ["plain", "bind", "bound", "preview", "throw", "refuse", "unknown", "stray", "call", odd]) {
      await act("careless.do", { how, text: wicked })
    }
    for (const input of [{ how: "bound" }, { how: "throw", text: wicked }, { how: "ok", [plain]: odd }]) {
      await post("/events", { channel: "chat", structured: { intent: "careless.do", input } })
    }
    await say(`careless do refuse ${plain} ${odd}`)
    await act("careless.later", { how: "ok", text: odd })
    await act("careless.probed", { how: "ok", text: odd })
    await act(plain, everything)
    await post("/chat", { text: wicked, thread_id: plain })
    const steps = [{ name: plain, tool: "careless.do", input: { how: "throw", text: wicked }, max_attempts: 1 }]
    await post("/tasks", { steps, labels: [plain], thread_id: plain })
    await post("/tasks", { steps: [{ name: "decide", kind: "llm_decide", input: { intent: wicked } }] })
    for (const task of ["careless.code", "careless.broken", plain]) {
      await post("/tasks", { task, input: { text: wicked } })
    }
    const { body: waits } = await post("/tasks", { steps: [{ name: "w", kind: "wait", input: { delay_ms: 600_000 } }] })
    await post(`/tasks/${waits.task_id}/cancel`, { reason })
    for (const how of ["throw", "ok"]) await post("/jobs", { kind: "careless.job", input: { how, text: wicked } })
    await post("/jobs", { kind: plain, input: everything })
    const soon = new Date(Date.now() + 1_500).toISOString()
    const payload = { text: wicked, structured: everything }
    await post("/schedules", { name: plain, type: "one_shot", spec: soon, payload, notify: wicked })
    await post("/schedules", { name: reason.slice(0, 100), when: `every day at ${odd}`, payload })
    await post("/schedules/preview", { when: wicked.slice(0, 1_000) })
    const chat = { path: "source.channel", op: "eq", value: "chat" }
    const when = { all: [chat, { path: "content.text", op: "contains", value: plain }] }
    const then = [{ notify: { text: wicked } }, { tool: "careless.look", input: { how: wicked } }, {
      emit: { channel: "rule_engine", text: `${odd} {{content.text}}`, structured: everything }
    }]
    const { status } = await post("/rules", { name: plain, when, then, dedupe: { key: odd, window_ms: 60_000 } })
    assert.strictEqual(status, 201)
    const { body: rule } = await post("/rules", {
      name: "careless",
      when: { all: [chat, { path: "content.text", op: "contains", value: harmless }] },
      then: [{
        emit: { channel: "rule_engine", text: "{{content.text}}", structured: { of: "{{content.structured}}" } }
      }],
      debounce_ms: 1_000
    })
    await post(`/rules/${rule.rule_id}`, { name: odd, then: [{ notify: { text: wicked } }] }, "PATCH")
    await post("/rules/test", { rule: { name: plain, when, then }, events: [{ channel: "chat", text: wicked }] })
    const over = { tool: "careless.look", when: { all: [{ path: "input.text", op: "eq", value: odd }] }, reason }
    assert.strictEqual((await post("/policy", over)).status, 201)
    await post(`/quiet-hours/${plain}`, { start: "03:00", end: "03:01", timezone: odd }, "PUT")
    await post(`/quiet-hours/${plain}`, { start: "03:00", end: "03:01" }, "PUT")
    await post("/controls/autonomy", { level: "A3", reason })
    await post("/controls/pause", { reason })
    await post("/controls/resume", { reason })
    await post("/tools/careless.do/preview", { input: { how: "preview", text: wicked } })
    await post(`/tools/${plain}/preview`, { input: everything })
    await house.host.request("/mcp", {
      method: "POST",
      headers: { accept: "application/json, text/event-stream" },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "careless.do", arguments: { how: "mcp", text: wicked } }
      })
    })
    await post("/plugins/careless/break", everything)
    for (const at of ["/events", "/audit", "/traces", "/tasks", "/approvals", "/hooks", ""]) {
      await post(`${at}/${encodeURIComponent(odd)}?${plain}=${encodeURIComponent(odd)}`, everything, "PUT")
      await house.host.request(`${at}/${plain}?x=${encodeURIComponent(pem)}&cursor=${plain}`)
    }
    await house.host.request(`/audit?text=${plain}&trace_id=${plain}&since=${encodeURIComponent(odd)}`)
    await house.host.request(`/export?kind=events&text=${plain}`)
    await house.host.request(`/memory?q=${plain}`)
    for (const name of ["authorization", "origin", "cookie", "content-type", "user-agent", "x-forwarded-for"]) {
      await house.host.request("/state", { headers: { [name]: `Bearer ${plain}` } })
    }
    // The operator's words to what waits.
    const [first, second] = await until("questions", async () => {
      const found = (await house.pending()).filter(({ tool }) => tool === "careless.do")
      return found.length > 1 && found
    })
    await post(`/approvals/${first.approval_id}/deny`, { reason })
    await post(`/approvals/${second.approval_id}/edit`, { input: { ...second.what, text: wicked } })
    await settle()
  }, 300_000)

  it("come by mail, webhook, Home Assistant, MQTT and a server of MCP", async () => {
    const mailed = {
      from: `"${plain} ${odd.replaceAll(/["\\<>]/g, "")}" <${ada}>`,
      to: syris,
      envelope: { from: ada, to: syris },
      subject: `${plain} ${odd}`,
      headers: { "X-Secret": plain, "List-Id": "" },
      attachments: [
        { filename: `${plain}.txt`, content: wicked },
        { filename: "bytes.bin", content: Buffer.from(wicked), contentType: `application/${plain}` }
      ]
    }
    await house.mail.send({ ...mailed, text: wicked, messageId: `<${plain}@home.test>` }, true)
    await house.mail.send(
      {
        ...mailed,
        messageId: "<html@home.test>",
        html: `<p>${wicked.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</p>`
      },
      true
    )
    await house.mail.send({ ...mailed, text: `remember that ${plain}\n${pem}` })
    const body = JSON.stringify({ ...everything, text: wicked })
    const ring = async (key: string, sent: string) => {
      const at = String(Math.floor(Date.now() / 1_000))
      const signature = createHmac("sha256", key).update(`${plain}.${at}.${sent}`).digest("base64")
      const headers = { "webhook-id": plain, "webhook-timestamp": at, "webhook-signature": `v1,${signature}` }
      const init = { method: "POST", headers: { ...headers, "x-secret": plain }, body: sent }
      return (await fetch(`${house.host.url}/hooks/bell?${plain}`, init)).status
    }
    assert.deepEqual([await ring(plain, body), await ring(hookKey, body)], [401, 202])
    assert.strictEqual(await ring(hookKey, `${body} {`), 400)
    for (const how of ["refuse", "throw"]) await post("/hooks/careless", how)
    const { broker, ha } = house
    ha.setState("switch.kettle", "on", { note: wicked.slice(0, 480), friendly_name: plain, [plain]: odd, pem })
    ha.setState("sensor.strange", plain, { friendly_name: `${plain} ${odd}` })
    ha.setState("switch.kettle", "off", { friendly_name: "Kettle" })
    ha.fire("syris_message", { text: wicked, title: plain, thread: plain, user: odd, [plain]: odd })
    ha.fire("syris_message", { text: `turn off the ${plain}`, title: odd })
    ha.fire("strange", everything)
    ha.failNextCall("home_assistant_error", wicked)
    await act("ha.device.control", { target: "kettle", action: "on" })
    await act("ha.device.control", { target: plain, action: "on" })
    await act("ha.service.call", { domain: "light", service: plain, data: everything })
    await act("ha.state", { target: plain })
    await broker.publish(`home/${plain}`, wicked)
    await broker.publish("home/json", JSON.stringify(everything))
    await broker.publish(`words/${plain}`, JSON.stringify({ text: wicked }))
    await act("mqtt.publish", { topic: `told/${plain}`, payload: wicked })
    await act("email.send", { to: ada, subject: plain, text: wicked })
    await act("email.search", { words: plain })
    await act("email.read", { message_id: "html@home.test" })
    await until(
      "the server of MCP",
      async () => (await house.host.get("/tools")).items.some(({ name }: any) => name === "mcp.files.echo")
    )
    await act("mcp.files.echo", { text: wicked })
    await act("mcp.files.echo", { text: wicked, does: "weird" })
    await until("events of each channel", async () => {
      const counts = await house.database.query<{ readonly channel: string; readonly count: number }>(
        "select channel, count(*)::int as count from events group by 1"
      )
      const least = { email: 3, webhook: 1, ha_event: 6, mqtt: 3, careless: 3 }
      const few = Object.entries(least).filter(([channel, number]) =>
        (counts.find((one) => one.channel === channel)?.count ?? 0) < number
      )
      if (few.length > 0) throw new Error(JSON.stringify(counts))
      return true
    })
    await until(
      "a tick that failed",
      async () =>
        (await house.database.query(
          "select 1 from watchers where watcher_id = 'careless.watch' and last_outcome = 'failure'"
        ))
          .length > 0
    )
    await settle()
  }, 300_000)

  it("are found nowhere, and the alarm says where they stood", async () => {
    const { items } = await house.host.get("/alarms")
    const alarm = items.find(({ type }: any) => type === "audit.secret")
    assert.strictEqual(alarm?.status, "open")
    assert.strictEqual((await post(`/alarms/${alarm.alarm_id}/ack`, { note: reason })).status, 200)
    const shown = await runSyris(["trace"], house.place)
    const doctor = await runSyris(["doctor"], house.place)

    const files = fs.readdirSync(house.home, { recursive: true, encoding: "utf8" })
      .map((name) => path.join(house.home, name))
      .filter((file) => !/secrets/.test(path.basename(file)) && fs.statSync(file, { throwIfNoEntry: false })?.isFile())
    const went = [
      ...house.model.requests.flatMap(({ body, headers }) => [...stringsIn(body), ...stringsIn(headers)]),
      ...house.box.posts().flatMap(({ body }) => stringsIn(body)),
      ...house.ha.calls.flatMap((call) => stringsIn(call)),
      ...(await house.mail.messages(ada)).flatMap(({ raw, subject, text }) => [raw, subject ?? "", text ?? ""])
    ]
    const leaks = {
      database: await inDatabase(house.database, leaksIn),
      log: leaksIn(house.host.said()),
      files: files.flatMap((file) => leaksIn(fs.readFileSync(file, "utf8")).map((leak) => `${file}: ${leak}`)),
      out: [...new Set(went.flatMap(leaksIn))],
      shown: leaksIn(shown.out + shown.err),
      doctor: leaksIn(doctor.out + doctor.err)
    }
    const done = await house.database.query<{ readonly tool: string }>(
      "select distinct tool from tool_calls where status = 'succeeded'"
    )
    const tools = [
      "careless.do",
      "careless.later",
      "email.read",
      "email.send",
      "mcp.files.echo",
      "mqtt.publish",
      "mqtt.send"
    ]
    assert.includeMembers(done.map(({ tool }) => tool), [...tools, "ha_event.send", "webhook.bell.send"])

    // Red control: the same search finds what is no secret, in each of the places.
    const known = await inDatabase(house.database, harmlessIn)
    const places = [
      "events.text",
      "events.structured",
      "tool_calls.input",
      "tool_calls.output",
      "tool_calls.error",
      "artifacts.data",
      "audit_events.data",
      "approvals.what",
      "steps.input",
      "tasks.output",
      "jobs.input",
      "jobs.output",
      "completions.request",
      "completions.answer",
      "schedules.payload",
      "rules.definition",
      "watchers.state",
      "channels.state",
      "chat_messages.text",
      "event_conflicts.body",
      "policies.reason"
    ]
    assert.includeMembers(known.map((one) => one.split(":")[0]!), places)
    assert.isNotEmpty(harmlessIn(house.host.said()))
    assert.isNotEmpty(harmlessIn(JSON.stringify(house.model.requests.map(({ body }) => body))))
    // And it finds a secret where one is.
    const spoon = searchFor(new Map([[Buffer.from(harmless).toString("base64").slice(0, -4), "base64"]]))
    assert.isEmpty(await inDatabase(house.database, spoon))
    assert.includeMembers([...leaksIn(wicked)], ["plain as it is", "odd in JSON", "pem in base64 at 1", "odd in a URL"])

    assert.deepEqual(leaks, { database: [], log: [], files: [], out: [], shown: [], doctor: [] })
  }, 300_000)
})
