/**
 * What asks is asked on the operator's pager, too, and answered there with the code of the message: once, by whoever has the
 * message and by nobody who guesses, and no row, log or model ever has the code.
 */
import { definePlugin, defineTool, Schema } from "syris"
import { openLedger, testHost } from "syris/testing"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type Eyes, makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { type HostProcess, type Place, startHost } from "./HostProcess.ts"
import { codeIn, makePager } from "./Pager.ts"
import { openPostBox, type PostBox } from "./PostBox.ts"

/** The tables in which a text stands, whatever the case. */
const tablesWith = async ({ query }: Pick<Eyes, "query">, text: string): Promise<ReadonlyArray<string>> => {
  const tables = await query(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema') and not c.relispartition
        or c.relkind = 'p'`
  )
  const all = tables.map(({ name }) => `select '${name}' as name from ${name} t where t::text ilike '%' || $1 || '%'`)
  const found = await query(`select distinct name from (${all.join(" union all ")}) f order by name`, [text])
  return found.map(({ name }) => String(name))
}

const begin = async () => {
  const place = fs.mkdtempSync(path.join(os.tmpdir(), "syris-code-"))
  const outside = openLedger(path.join(place, "outside"))
  const database = await makeDatabase()
  const pager = makePager("pager")
  const second = makePager("second")
  const deaf = makePager("deaf", null)
  const lock = definePlugin({
    name: "lock",
    setup: () => ({
      tools: [defineTool({
        name: "lock.unlock",
        description: "Unlock a door.",
        input: Schema.Struct({ door: Schema.String }),
        effect: "write",
        risk: "medium",
        scopes: ["locks"],
        run: ({ door }) => outside.note(door)
      })],
      intents: [{ name: "lock.unlock", tool: "lock.unlock", patterns: [/unlock (?<door>[a-z0-9-]+)/] }]
    })
  })()
  const host = await testHost({
    autonomy: "A1",
    http: true,
    databaseUrl: database.url,
    plugins: [lock, pager.plugin, second.plugin, deaf.plugin],
    // None of this holds a question to the operator.
    safety: { notificationsPerHour: 1, quietHours: [{ start: "00:00", end: "23:59" }] }
  })
  const post = async (at: string, body: object = {}) => {
    const response = await fetch(`${host.http!.url}${at}`, {
      method: "POST",
      headers: { authorization: `Bearer ${host.http!.token}`, "content-type": "application/json" },
      body: JSON.stringify(body)
    })
    return { status: response.status, body: await response.json() as any }
  }
  const approvalOf = async (door: string) => {
    const rows = await database.query(
      "select approval_id, number::int, status, decided_by, trace_id from approvals where what ->> 'door' = $1 order by number",
      [door]
    )
    return rows.at(-1)!
  }
  return {
    database,
    deaf,
    host,
    outside,
    pager,
    post,
    second,
    approvalOf,
    /** Asks for a door; answers its approval with what the pager shows. */
    ask: async (door: string) => {
      assert.strictEqual((await host.send(`unlock ${door}`)).outcome, "waiting")
      const approval = await approvalOf(door)
      return { approval, question: await pager.question(approval["number"]) }
    },
    ran: (door: string) => until(`${door} to be unlocked`, () => outside.entries().includes(door)),
    end: async () => {
      await host.stop()
      await database.close()
      fs.rmSync(place, { recursive: true, force: true })
    }
  }
}

describe("an approval that is asked for on the operator's pager", () => {
  let house: Awaited<ReturnType<typeof begin>>
  beforeAll(async () => {
    house = await begin()
  })
  afterAll(() => house?.end())

  it("is shown there once, with what will run, and a yes with its code runs it once", async () => {
    const { approval, question } = await house.ask("front")
    assert.deepInclude(question, { to: "ada", subject: `Approval ${approval["number"]}: lock.unlock?` })
    assert.include(question.text, ">   \"door\": \"front\"")
    // On each connector of an operator's with a code of its own; where there is no operator nobody is asked.
    const other = await house.second.question(approval["number"])
    assert.notStrictEqual(other.code, question.code)
    assert.deepEqual(house.deaf.shown(), [])

    const first = await house.pager.answer(question.code, "approve")
    assert.deepEqual(first, { outcome: "decided", message: `Approved ${approval["number"]}: lock.unlock.` })
    await house.ran("front")

    const again = await house.pager.answer(question.code, "approve")
    assert.strictEqual(again.outcome, "unknown")
    assert.match(again.message, /used already/)
    const late = await house.second.answer(other.code, "deny")
    assert.strictEqual(late.outcome, "late")
    assert.match(late.message, /was approved.*operator by pager/)
    assert.deepEqual(house.outside.entries().filter((door) => door === "front"), ["front"])
    assert.lengthOf(house.pager.shown().filter(({ subject }) => subject === question.subject), 1)

    const audit = await house.host.audit(approval["trace_id"])
    const yes = audit.find(({ type }) => type === "gate.approved")
    assert.strictEqual(yes?.actor, "operator by pager")
    assert.deepInclude(yes?.data, { by: "operator by pager", connector_id: "pager" })
    assert.lengthOf(audit.filter(({ summary }) => summary.startsWith("Asked on pager")), 2)
    // The question itself asks nothing.
    assert.lengthOf(audit.filter(({ type }) => type === "gate.required"), 1)
  })

  it("is denied with it, and nothing runs", async () => {
    const { question } = await house.ask("back")
    assert.strictEqual((await house.pager.answer(question.code.toLowerCase(), "deny")).outcome, "decided")
    const { decided_by, status } = await house.approvalOf("back")
    assert.deepEqual([status, decided_by], ["denied", "operator by pager"])
    assert.strictEqual((await house.pager.answer(question.code, "approve")).outcome, "unknown")
    assert.notInclude(house.outside.entries(), "back")
  })

  it("is shown as well where a step of a task asks", async () => {
    const { body } = await house.post("/tasks", {
      steps: [{ name: "open", tool: "lock.unlock", input: { door: "barn" } }]
    })
    const approval = await until("the question", () => house.approvalOf("barn"))
    assert.strictEqual(approval["trace_id"], body.trace_id)
    const { code } = await house.pager.question(approval["number"])
    assert.strictEqual((await house.pager.answer(code, "approve")).outcome, "decided")
    await house.ran("barn")
  })

  it("is decided by nobody with the code of another connector, or on one that asks nobody", async () => {
    const { question } = await house.ask("side")
    for (const elsewhere of [house.second, house.deaf]) {
      assert.strictEqual((await elsewhere.answer(question.code, "approve")).outcome, "unknown")
    }
    assert.strictEqual((await house.approvalOf("side"))["status"], "pending")
    assert.strictEqual((await house.pager.answer(question.code, "deny")).outcome, "decided")
  })

  it("is asked anew when it was edited: the old code is good for nothing, the new one runs what was edited", async () => {
    const { approval, question } = await house.ask("attic")
    const edited = await house.post(`/approvals/${approval["approval_id"]}/edit`, { input: { door: "cellar" } })
    assert.strictEqual(edited.status, 201)
    const next = await house.pager.question(edited.body.number)
    assert.include(next.text, "\"door\": \"cellar\"")
    const old = await house.pager.answer(question.code, "approve")
    assert.strictEqual(old.outcome, "late")
    assert.match(old.message, /was superseded/)
    assert.strictEqual((await house.pager.answer(next.code, "approve")).outcome, "decided")
    await house.ran("cellar")
    assert.notInclude(house.outside.entries(), "attic")
  })

  it("is decided once, whoever is first: the pager with yes or the client with no", async () => {
    for (let round = 0; round < 4; round++) {
      const door = `race-${round}`
      const { approval, question } = await house.ask(door)
      const [byCode, byHttp] = await Promise.all([
        house.pager.answer(question.code, "approve"),
        house.post(`/approvals/${approval["approval_id"]}/deny`)
      ])
      const won = byCode.outcome === "decided"
      assert.strictEqual(byHttp.status, won ? 409 : 200, JSON.stringify([byCode, byHttp.body]))
      if (won) await house.ran(door)
      else {
        assert.strictEqual(byCode.outcome, "late")
        assert.match(byCode.message, /was denied \(by operator/)
        assert.notInclude(house.outside.entries(), door)
      }
    }
  })

  it("is decided by no code when its time is over", async () => {
    const { approval, question } = await house.ask("late")
    // The law of the table is that it never changes.
    await house.database.query(
      `with without_law as materialized (select set_config('session_replication_role', 'replica', true) as role)
       update approvals set expires_at = clock_timestamp() from without_law
       where without_law.role = 'replica' and approval_id = $1::uuid`,
      [approval["approval_id"]]
    )
    const late = await house.pager.answer(question.code, "approve")
    assert.strictEqual(late.outcome, "late")
    assert.match(late.message, /has expired/)
    assert.notInclude(house.outside.entries(), "late")
  })

  it("leaves its code nowhere, though the pager logs it, gives it back and throws it", async () => {
    const { question } = await house.ask("gate")
    const bare = question.code.replace("-", "")
    await until(
      "the message to be settled",
      async () =>
        (await house.database.query("select 1 from tool_calls where output::text like '%[secret approval.code]%'"))
          .length > 0
    )
    for (const text of [question.code, bare]) assert.deepEqual(await tablesWith(house.database, text), [])
    assert.strictEqual((await house.pager.answer(question.code, "approve")).outcome, "decided")
    await house.ran("gate")
    for (const text of [question.code, bare]) assert.deepEqual(await tablesWith(house.database, text), [])
    // Control: what is there is found.
    assert.include(await tablesWith(house.database, "Answer with: approve ____-____"), "tool_calls")
  })

  it("is decided by no guess: five wrong codes lock the pager, with an alarm, and its right code waits", async () => {
    const { approval, question } = await house.ask("vault")
    const guesses = ["0000-0000", "00000000", "approve", "", `${question.code}0`, "1111-1111", "2222-2222"]
    const answers: Array<string> = []
    for (const guess of guesses) answers.push((await house.second.answer(guess, "approve")).outcome)
    assert.deepEqual(answers, guesses.map(() => "unknown"))
    const own = await house.second.question(approval["number"])
    const refused = await house.second.answer(own.code, "approve")
    assert.strictEqual(refused.outcome, "unknown")
    assert.match(refused.message, /too many wrong codes.*syris approve/)
    assert.strictEqual((await house.approvalOf("vault"))["status"], "pending")
    assert.notInclude(house.outside.entries(), "vault")
    const [alarm] = await house.database.query("select message from alarms where type = 'approvals.guessed'")
    assert.match(String(alarm?.["message"]), /wrong codes for approvals came on second/)
    const rows = await house.database.query(
      "select data -> 'error' ->> 'code' as code from audit_events where type = 'event.rejected' and data ->> 'connector_id' = 'second'"
    )
    assert.lengthOf(rows.filter(({ code }) => code === "approval.code_wrong"), 5)
    assert.isAtLeast(rows.filter(({ code }) => code === "approval.answers_refused").length, 1)
    // The other pager goes on.
    assert.strictEqual((await house.pager.answer(question.code, "deny")).outcome, "decided")
  })

  it("control: a code whose hash is put in the place of a wrong one's decides, and that is seen", async () => {
    const { approval } = await house.ask("shed")
    const wrong = "7777-7777"
    assert.strictEqual((await house.pager.answer(wrong, "approve")).outcome, "unknown")
    assert.strictEqual((await house.approvalOf("shed"))["status"], "pending")
    // As if no hash were compared: whatever comes is the code of this approval.
    const { scryptSync } = await import("node:crypto")
    const [guard] = await house.database.query("select salt from code_guards where connector_id = 'pager'")
    const hash = scryptSync(wrong.replace("-", ""), guard!["salt"], 32, { N: 16_384, r: 8, p: 1 })
    await house.database.query(
      "update approval_codes set code_hash = $1 where approval_id = $2::uuid and connector_id = 'pager'",
      [hash, approval["approval_id"]]
    )
    assert.strictEqual((await house.pager.answer(wrong, "approve")).outcome, "decided")
    await house.ran("shed")
  })
})

const config = (box: PostBox, ledger: string) => `
import { defineConfig, definePlugin, defineTool, Schema, WebhookReply } from "syris"
import * as fs from "node:fs"

const lock = definePlugin({ name: "lock", setup: () => ({
  tools: [defineTool({
    name: "lock.unlock", description: "Unlock.", input: Schema.Struct({ door: Schema.String }),
    effect: "write", risk: "high", scopes: [], run: ({ door }) => fs.appendFileSync(${
  JSON.stringify(ledger)
}, door + "\\n")
  })],
  intents: [{ name: "lock.unlock", tool: "lock.unlock", patterns: [/unlock (?<door>[a-z0-9-]+)/] }]
}) })
const pager = definePlugin({ name: "pager", options: Schema.Struct({ url: Schema.String }), setup: ({ options }) => ({ channels: [{
  name: "pager", trust: "untrusted", operator: { to: "ada" },
  webhook: async ({ body }, ctx) => {
    const { code, decision } = JSON.parse(new TextDecoder().decode(body))
    return new WebhookReply("application/json", JSON.stringify(await ctx.answer(code, decision)))
  },
  send: {
    description: "Show.", input: Schema.Struct({ text: Schema.String, subject: Schema.optionalKey(Schema.String) }),
    effect: "write", risk: "low", scopes: [], guarantee: "native_key",
    run: async (input, ctx) => {
      ctx.log.info(input.text)
      await ctx.fetch(options.url, {
        method: "POST", headers: { "idempotency-key": ctx.idempotencyKey }, body: JSON.stringify(input)
      })
      return { sent: input.text }
    }
  }
}] }) })

export default defineConfig({ timezone: "UTC", plugins: [lock(), pager({ url: ${JSON.stringify(box.url)} })] })
`

describe("an approval whose host is killed", () => {
  const home = folder("approvalbycode")
  const ledger = path.join(home, "ledger")
  const said: Array<string> = []
  let box: PostBox
  let database: OwnDatabase
  let host: HostProcess
  let place: Place

  beforeAll(async () => {
    database = await makeDatabase()
    box = await openPostBox(true)
    const file = path.join(home, "syris.config.ts")
    fs.writeFileSync(file, config(box, ledger))
    fs.writeFileSync(ledger, "")
    place = { home, config: file, databaseUrl: database.url }
    host = await startHost(place)
  })
  afterAll(async () => {
    await host?.kill()
    box?.close()
    await database?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const ask = async (door: string) => {
    const body = JSON.stringify({ channel: "chat", text: `unlock ${door}` })
    assert.include([200, 202], (await host.request("/events", { method: "POST", body })).status)
  }
  const restart = async () => {
    said.push(...Object.values(await host.kill()).map(String))
    host = await startHost(place)
  }
  const about = (door: string) => new RegExp(`"door": "${door}"`)
  const answer = async (code: string) =>
    (await host.request("/hooks/pager", { method: "POST", body: JSON.stringify({ code, decision: "approve" }) }))
      .json() as Promise<any>
  const opened = (door: string) => fs.readFileSync(ledger, "utf8").split("\n").filter((line) => line === door).length

  it(
    "with the question in the pager's hands, or not sent yet: it is asked once, and its code unlocks once",
    async () => {
      const letGo = box.hold()
      await ask("hands")
      await until("the question", () => box.of(about("hands")).length > 0)
      await ask("early")
      await until(
        "the approval",
        async () => (await database.query("select 1 from approvals where what ->> 'door' = 'early'")).length > 0
      )
      await restart()
      letGo()
      const doors = ["hands", "early"]
      const asked = "select 1 from audit_events where type = 'response.sent' and summary like 'Asked on pager%'"
      await until("both to be asked", async () => (await database.query(asked)).length === 2)
      for (const door of doors) assert.lengthOf(box.taken(about(door)), 1)
      assert.lengthOf(box.of(about("hands")), 2)

      // The ones that were shown: where the host died under one another was sent after it, and not taken.
      const codes = doors.map((door) => codeIn(box.taken(about(door))[0]!.body.text))
      for (const code of codes) assert.deepInclude(await answer(code), { outcome: "decided" })
      await until("both to be unlocked", () => doors.every((door) => opened(door) === 1))
      await restart()
      for (const code of codes) assert.deepInclude(await answer(code), { outcome: "unknown" })
      assert.deepEqual(doors.map(opened), [1, 1])
      for (const door of doors) assert.lengthOf(box.taken(about(door)), 1)
      said.push(host.said())
      const log = said.join("\n")
      assert.include(log, "Answer with: approve [secret approval.code]")
      for (const { body } of box.posts()) {
        const code = codeIn(body.text)
        assert.notInclude(log, code)
        assert.deepEqual(await tablesWith(database, code), [])
      }
    },
    90_000
  )
})
