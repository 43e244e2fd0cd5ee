/** Something on every page: a day in the house of a test, with a crash in the middle of it. */
import { until } from "../storms/Until.ts"
import { atticTools, type PageHouse, settled } from "./PageHouse.ts"

const hour = 3_600_000
const clock = (from: number): string => new Date(Date.now() + from).toISOString().slice(11, 16)

const tasks = async ({ post }: PageHouse): Promise<void> => {
  const look = { name: "look around", tool: "house.look", input: {} }
  const lamp = (what: string) => ({ name: `light the ${what}`, tool: "lamp.set", input: { what } })
  const made = await Promise.all([
    post("/tasks", {
      name: "Evening lights",
      labels: ["evening"],
      steps: [look, [lamp("hall"), lamp("stairs")], look]
    }),
    post("/tasks", {
      name: "Oil the hinges",
      steps: [{ name: "open the cupboard", tool: "house.refuse", input: {}, max_attempts: 1 }]
    }),
    post("/tasks", {
      name: "Water the plants at dusk",
      steps: [look, { name: "until dusk", kind: "wait", input: { delay_ms: 6 * hour } }, lamp("balcony")]
    }),
    post("/tasks", {
      name: "Let the cat in",
      steps: [look, { name: "open", tool: "door.open", input: { what: "cat flap" } }]
    }),
    post("/tasks", {
      name: "Bake bread",
      steps: [look, { name: "bake", tool: "oven.bake", input: {} }, lamp("kitchen")]
    }),
    post("/tasks", { name: "Paint the fence", steps: [{ name: "dry", kind: "wait", input: { delay_ms: hour } }] })
  ])
  await post(`/tasks/${made.at(-1).task_id}/cancel`, { reason: "It rains." })
}

const schedules = ({ post }: PageHouse): Promise<unknown> =>
  Promise.all([
    post("/schedules", {
      name: "Morning round",
      type: "cron",
      spec: "30 7 * * 1-5",
      payload: { channel: "chat", text: "look around" }
    }),
    post("/schedules", {
      name: "Pulse",
      type: "interval",
      spec: "PT1S",
      catch_up: "skip",
      payload: { channel: "porch", text: "pulse", structured: { intent: "look" } }
    }),
    post("/schedules", {
      name: "Bins",
      type: "one_shot",
      spec: new Date(Date.now() + 20 * hour).toISOString(),
      payload: { channel: "chat", text: "lamp gate" }
    })
  ])

/** Nothing happens by itself any more: a picture of a page is the same twice. */
const still = async ({ host, post }: PageHouse): Promise<void> => {
  const { items } = await host().get("/schedules?name=Pulse")
  await post(`/schedules/${items[0].schedule_id}`, { type: "interval", spec: "P1D" }, "PATCH")
}

/** Fills the house, kills its host, changes a plugin's code meanwhile, and starts it again. */
export const furnish = async (house: PageHouse): Promise<void> => {
  const { post, send } = house
  await Promise.all([
    tasks(house),
    schedules(house),
    post("/rules", {
      name: "parcels",
      when: { path: "content.text", op: "contains", value: "parcel" },
      then: [{ emit: { channel: "rule_engine", text: "lamp hallway" } }],
      dedupe: { window_ms: hour }
    }),
    post("/quiet-hours/night", { start: clock(6 * hour), end: clock(8 * hour), timezone: "UTC" }, "PUT"),
    post("/policy", {
      tool: "bill.pay",
      when: { path: "input.what", op: "eq", value: "milkman" },
      risk: "medium",
      reason: "The milkman is paid every week."
    })
  ])
  await Promise.all([
    settled(house, "remember that the spare key is under the third flower pot"),
    settled(house, "make it cosy"),
    settled(house, "what is going on in the house?"),
    settled(house, "pay milkman"),
    settled(house, "refuse"),
    settled(house, "the bell rings"),
    settled(house, "a parcel came"),
    settled(house, "minus three", { channel: "porch", structured: { degrees: -3 } }),
    settled(house, "minus four", { channel: "porch", structured: { degrees: -4 } }),
    settled(house, "set a timer for 25 minutes"),
    settled(house, "open garage"),
    settled(house, "send teapot"),
    post("/jobs", { kind: "ledger" }),
    post("/jobs", { kind: "count" })
  ])
  await settled(house, "a parcel came")
  await post("/controls/autonomy", { level: "A1", reason: "I am away over the weekend." })
  await Promise.all([settled(house, "noop for the record"), settled(house, "lamp sofa")])
  await post("/controls/autonomy", { level: "A2", reason: "Back at home." })
  await Promise.all([settled(house, "pay gas-bill"), settled(house, "heat boiler")])
  await until("the bread to be baked", async () => {
    const { items } = await house.host().get("/tool-calls?status=attempted")
    return items.some(({ tool }: any) => tool === "oven.bake")
  })

  await until("the cups to be counted, and the ledger to fail", async () => {
    const { items } = await house.host().get("/jobs?limit=10")
    return items.length === 2 && items.every(({ status }: any) => ["succeeded", "failed"].includes(status))
  })

  await house.host().kill()
  house.vane("south")
  await house.start()

  house.attic(atticTools("Finds a box, and tells the neighbours where it is."))
  await Promise.all([
    post("/jobs", { kind: "photographs" }),
    post("/integrations/letterbox", { enabled: false }, "PATCH"),
    still(house),
    post("/tasks", { name: "Bake a cake", steps: [{ name: "bake", tool: "oven.bake", input: {} }] }),
    send("a letter came", { channel: "letterbox" }),
    until("the tool to be in quarantine", async () => {
      const { items } = await house.host().get("/integrations")
      return items.find(({ integration_id }: any) => integration_id === "attic")?.quarantined.length > 0
    }),
    until("the well's alarm", async () => {
      const { items } = await house.host().get("/alarms?status=open")
      return items.some(({ type }: any) => type.startsWith("watcher"))
    })
  ])
}

/** Audit rows of the last weeks, five to a trace as an event has them. */
export const manyRows = (house: PageHouse, count: number): Promise<unknown> =>
  house.database.query(
    `insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, tool, risk, autonomy, data)
     select gen_random_uuid(), clock_timestamp() - ($1::bigint - n) * interval '20 seconds',
            ('019a0000-0000-7000-8000-' || lpad(to_hex(n / 5), 12, '0'))::uuid,
            (array['normalize', 'route', 'tool_call', 'tool_call', 'respond'])[n % 5 + 1],
            (array['event.ingested', 'routing.decided', 'tool_call.attempted', 'tool_call.succeeded', 'response.sent'])[n % 5 + 1],
            (array['info', 'info', 'info', 'success', 'success'])[n % 5 + 1],
            'Row ' || n || ' of a long year.', '{}', 'noop.run', 'low', 'A2', '{"attempt": 1}'
     from generate_series(1, $1::bigint) n`,
    [count]
  )
