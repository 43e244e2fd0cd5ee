/**
 * The house. First a change of a state in Home Assistant, through a rule, to the service call that Home Assistant gets: both
 * times are taken by the stand-in, on one clock. Control of the same run: two commits of one small row each on the same
 * database, the least that "the event, then the intent" can cost, in turns with it. Then 1 000 changes a second for a minute:
 * each is the number of the change, so that the table says which were lost and which came twice; with the host's memory at
 * the start, in the middle and at the end.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { type HomeAssistantServer, startHomeAssistant } from "../test/servers/HomeAssistantServer.ts"
import { startHomeAssistantProcess } from "../test/servers/HomeAssistantProcess.ts"
import { secondsOf } from "../test/servers/home-assistant/Clock.ts"
import type { PgWire } from "./PgWire.ts"
import { megabytes, processorSeconds } from "./Processes.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { type Host, type Postgres, root, startHost, startPostgres, temporaryFolder, until } from "./Setup.ts"

const token = "a-token-of-the-bench"
const rate = 1_000
const things = 100

const rule = {
  name: "somebody comes",
  when: {
    all: [
      { path: "source.channel", op: "eq", value: "ha_event" },
      { path: "content.structured.entity_id", op: "eq", value: "binary_sensor.hall_motion" },
      { path: "content.structured.state", op: "eq", value: "on" }
    ]
  },
  then: [{ tool: "ha.device.control", input: { target: "light.kitchen_counter", action: "on" } }]
}

const configuration = (folder: string, name: string, url: string, rules: ReadonlyArray<object>): string => {
  const file = path.join(folder, `${name}-config`, "syris.config.ts")
  fs.mkdirSync(path.dirname(file))
  fs.writeFileSync(
    file,
    `import { defineConfig } from "syris"\nimport homeAssistant from "syris/plugins/home-assistant"\n` +
      `export default defineConfig({ timezone: "UTC", safety: { antiflapCooldown: "0 seconds" }, rules: ${
        JSON.stringify(rules)
      },\n` +
      `  plugins: [homeAssistant({ url: ${JSON.stringify(url)}, token: ${JSON.stringify(token)} })] })\n`
  )
  return file
}

/** What a rule does, so that nothing of it is under way when the next change comes. */
const atRest = (database: PgWire) =>
  until(async () => (await database.query("select 1 from work limit 1")).length === 0 ? true : undefined, 2)

const events = async (database: PgWire): Promise<number> =>
  Number((await database.query("select count(*) from events where channel = 'ha_event'"))[0]?.[0])

/** The very first states are no changes: it listens when a change has become an event. */
const listening = async (database: PgWire, change: (state: string) => unknown): Promise<void> => {
  let tries = 0
  await until(async () => {
    await change(String(tries++))
    return await events(database) > 0 ? true : undefined
  }, 200)
  await atRest(database)
}

const once = async (ha: HomeAssistantServer): Promise<number> => {
  const [changes, calls] = [ha.changes.length, ha.calls.length]
  ha.setState("binary_sensor.hall_motion", "on")
  await until(() => ha.calls.length > calls ? true : undefined, 1)
  const [change, call] = [ha.changes[changes], ha.calls[calls]]
  if (change === undefined || call?.outcome !== "done") throw new Error(`The call ended with ${call?.outcome}.`)
  return (secondsOf(call.at) - secondsOf(change.time_fired)) * 1_000
}

const commits = async (bare: PgWire): Promise<number> => {
  const began = performance.now()
  for (const note of ["event", "intent"]) {
    await bare.query("insert into small (at, note) values (clock_timestamp(), $1)", [note])
  }
  return performance.now() - began
}

const latency = async (folder: string, postgres: Postgres, { quick, verbose }: Options): Promise<void> => {
  title("Home Assistant: a change of a state, by a rule, to the service call")
  await postgres.createDatabase("rule")
  const ha = await startHomeAssistant({ token })
  try {
    await using _ = await startHost(path.join(folder, "rule-home"), postgres.url("rule"), {
      SYRIS_CONFIG: configuration(folder, "rule", ha.url, [rule])
    })
    const database = await postgres.connect("rule")
    await listening(database, (state) => ha.setState("sensor.kitchen_temperature", state))
    await database.query(
      "create table small (id bigint generated always as identity primary key, at timestamptz, note text)"
    )
    const times = { rule: [] as Array<number>, commits: [] as Array<number> }
    const each = 25
    for (let round = -1; round < (quick ? 8 : 40); round++) {
      const own = { rule: [] as Array<number>, commits: [] as Array<number> }
      for (let i = 0; i < each; i++) {
        own.rule.push(await once(ha))
        // The call looks whether the light has followed: it is left on until then.
        await atRest(database)
        ha.setState("light.kitchen_counter", "off")
        ha.setState("binary_sensor.hall_motion", "off")
        await atRest(database)
        own.commits.push(await commits(database))
      }
      if (round < 0) continue // warm
      times.rule.push(...own.rule)
      times.commits.push(...own.commits)
      if (verbose) say(`rule ${median(own.rule).toFixed(2)} ms   commits ${median(own.commits).toFixed(2)} ms`)
    }
    await database.close()
    const [p50, p99] = [0.5, 0.99].map((p) => [percentile(times.rule, p), percentile(times.commits, p)] as const) as [
      readonly [number, number],
      readonly [number, number]
    ]
    figure("change to call, p50", p50[0], "ms")
    figure("change to call, p99", p99[0], "ms")
    figure("control: two single-row insert commits, p50", p50[1], "ms")
    figure("control, p99", p99[1], "ms")
    figure("change to call over the two commits, p50", p50[0] - p50[1], "ms")
    target("change to call over the two commits, p99", p99[0] - p99[1], "ms", "at most", 25)
  } finally {
    await ha.stop()
  }
}

/** After a collection. */
const heap = async (host: Host, file: string): Promise<number> => {
  fs.rmSync(file, { force: true })
  host.child.kill("SIGUSR2")
  await until(() => fs.existsSync(file) ? true : undefined)
  return Number(fs.readFileSync(file, "utf8")) / 1_048_576
}

const flood = async (folder: string, postgres: Postgres, { quick }: Options): Promise<void> => {
  const seconds = quick ? 5 : 60
  title(`Home Assistant: ${rate} changes of states a second for ${seconds} s`)
  await postgres.createDatabase("flood")
  const ha = await startHomeAssistantProcess({ token, journal: path.join(folder, "journal"), empty: true })
  try {
    const heapFile = path.join(folder, "heap")
    await using host = await startHost(path.join(folder, "flood-home"), postgres.url("flood"), {
      SYRIS_CONFIG: configuration(folder, "flood", ha.url, []),
      NODE_OPTIONS: `--import ${path.join(root, "bench", "HeapSignal.mjs")}`,
      BENCH_HEAP_FILE: heapFile
    })
    const database = await postgres.connect("flood")
    await listening(database, (state) => ha.ask("setState", "sensor.first", state))
    const pid = host.child.pid ?? 0
    const memory = async (when: string): Promise<number> => {
      const collected = await heap(host, heapFile)
      figure(`${when}: heap after a collection`, collected, "MB")
      figure(`${when}: resident`, megabytes([pid], "Rss"), "MB")
      return collected
    }
    // Warm, and the sensors are there.
    const heard = await events(database)
    const warm = await ha.ask("flood", { rate, seconds: 3, entities: things })
    await until(async () => await events(database) >= heard + warm ? true : undefined, 100)
    await until(async () => (await database.query("select 1 from work limit 1")).length === 0 ? true : undefined, 50)
    const before = await events(database)
    const atStart = await memory("start")
    const used = processorSeconds(pid)
    const began = performance.now()
    let over = false
    const flooding = ha.ask("flood", { rate, seconds, entities: things }).finally(() => {
      over = true
    })
    const half = until(
      async () => await events(database) - before > rate * seconds / 2 ? true : undefined,
      250,
      seconds + 60
    )
    await half
    const inTheMiddle = await memory("middle")
    const sent = await flooding
    const ended = performance.now()
    const missing = sent - (await events(database) - before)
    const settled = await until(
      async () => await events(database) - before >= sent || performance.now() - ended > 60_000 ? true : undefined,
      50,
      90
    )
    const caughtUp = performance.now()
    await until(async () => (await database.query("select 1 from work limit 1")).length === 0 ? true : undefined, 50)
    const atEnd = await memory("end")
    const [row] = await database.query(
      "select count(*), count(distinct (structured->>'entity_id', structured->>'state')) from events " +
        "where channel = 'ha_event' and occurred_at >= $1::timestamptz",
      [new Date(performance.timeOrigin + began).toISOString()]
    )
    const [rows, distinct] = [Number(row?.[0]), Number(row?.[1])]
    if (!over || !settled) throw new Error("It did not end.")
    figure("changes sent", sent, "")
    figure("the host's processor time", (processorSeconds(pid) - used) / (ended - began) * 100_000, "% of a core")
    figure("behind at the end of the flood", Math.max(0, missing), "changes")
    figure("caught up after", caughtUp - ended, "ms")
    target("lost", sent - distinct, "", "at most", 0)
    target("doubled", rows - distinct, "", "at most", 0)
    target("connections lost", await ha.ask("connections") === 1 ? 0 : 1, "", "at most", 0)
    target("heap at the end / in the middle", atEnd / inTheMiddle, "", "at most", 1.2)
    figure("heap at the end / at the start", atEnd / atStart, "")
    await database.close()
  } finally {
    await ha.close()
  }
}

export const homeAssistant = async (options: Options): Promise<void> => {
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  await latency(folder.path, postgres, options)
  await flood(folder.path, postgres, options)
}
