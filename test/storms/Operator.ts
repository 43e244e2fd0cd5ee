/**
 * Operators who cancel, pause, resume and try again what is open, at random, through the host that does not run it; and
 * what must be true of what they were answered.
 */
import type { Eyes } from "./Databases.ts"
import type { Host } from "./Hosts.ts"
import { makeFindings } from "./Reckoning.ts"
import type { Remote } from "./Remote.ts"
import { long, moment, until } from "./Until.ts"

type Verb = "cancel" | "pause" | "resume" | "retry"

export interface Move {
  readonly task_id: string
  readonly id: string
  readonly verb: Verb
  /** When it was asked for, and when 200 was there, by `performance.now()`; a resume may have had no answer. */
  readonly asked: number
  readonly answered: number
}

export interface Operators {
  readonly moves: ReadonlyArray<Move>
  /** By verb and status of the answer; 0 where there was none. */
  readonly answers: Readonly<Record<string, number>>
  /** What hosts said that answered 500. */
  readonly faults: ReadonlyArray<string>
  /** Asks for nothing more at random, and resumes what is paused. */
  readonly finish: () => Promise<void>
}

export interface OperatorsOptions {
  readonly eyes: Eyes
  /** The hosts of now. */
  readonly hosts: () => ReadonlyArray<Host>
  readonly random: () => number
  readonly count?: number
}

interface Found {
  readonly task_id: string
  readonly id: string
  readonly status: string
  readonly pid: number | null
}

const found = (condition: string) => `
  select t.task_id, coalesce(e.message_id, t.name) as id, t.status, h.pid
  from tasks t
       join events e on e.event_id = t.trigger_event_id
       left join work w on w.work_id = t.task_id
       left join hosts h on h.host_id = w.claimed_by
  where ${condition}`

/** What is asked of a task: mostly what its status allows. */
const verbFor = (status: string, random: () => number): Verb => {
  const lot = random()
  if (lot < 0.1) return (["cancel", "pause", "resume", "retry"] as const)[Math.floor(lot * 40)] ?? "pause"
  if (status === "paused") return lot < 0.2 ? "cancel" : "resume"
  return status === "failed" ? "retry" : lot < 0.25 ? "cancel" : "pause"
}

export const startOperators = ({ count = 3, eyes, hosts, random }: OperatorsOptions): Operators => {
  const moves: Array<Move> = []
  const answers: Record<string, number> = {}
  const faults: Array<string> = []
  let finishing = false

  /** Asks a host that does not run it. */
  const ask = async ({ id, pid, task_id }: Found, verb: Verb): Promise<number> => {
    const others = hosts().filter((host) => host.pid !== pid)
    const host = others[Math.floor(random() * others.length)] ?? hosts()[0]
    const asked = performance.now()
    const status =
      await host?.request("POST", `/tasks/${task_id}/${verb}`, undefined, { signal: AbortSignal.timeout(15_000) })
        .then((answer) => answer.status, () => 0) ?? 0
    if (status >= 500 && status !== 503) faults.push(`${verb}: ${host?.log().slice(-3_000)}`)
    const inDoubt = verb === "resume" && status !== 409
    if (status === 200 || inDoubt) moves.push({ task_id, id, verb, asked, answered: performance.now() })
    answers[`${verb} ${status}`] = (answers[`${verb} ${status}`] ?? 0) + 1
    return status
  }

  const operator = async () => {
    while (!finishing) {
      const [task] = await eyes.query<Found>(
        `${found("t.status <> 'succeeded' and t.status <> 'canceled'")} order by random() limit 1`
      ).catch(() => [])
      if (task !== undefined) await ask(task, verbFor(task.status, random))
      await moment(10 + random() * 40)
    }
  }
  const all = Array.from({ length: count }, operator)
  return {
    moves,
    answers,
    faults,
    finish: async () => {
      finishing = true
      await Promise.all(all)
      await until("all to be resumed", async () => {
        const paused = await eyes.query<Found>(found("t.status = 'paused'"))
        for (const task of paused) await ask(task, "resume")
        return paused.length === 0
      }, 60_000)
    }
  }
}

/** A call that was begun before the answer may still be on its way to the other side for so long, milliseconds. */
const onItsWay = long ? 3_000 : 15_000

/**
 * The word to the other host is on its way for so long at most, while both are busy, milliseconds. With other tests beside it
 * a host may wait longer for a processor.
 */
const heardAfter = long ? 250 : 8_000

/**
 * What was answered was obeyed: of a canceled task nothing begins any more, of a paused one nothing until it is resumed, by
 * the order of the audit and by the clock of the other side. Answers sentences of what was not. `deaf`: notifications got
 * lost. Then a call that leaves no trace, and so needs no write to begin, may begin in code that has not heard.
 */
export const disobeyed = async (
  eyes: Eyes,
  remote: Remote,
  moves: ReadonlyArray<Move>,
  { deaf = false }: { readonly deaf?: boolean } = {}
): Promise<ReadonlyArray<string>> => {
  const { broken, say } = makeFindings()
  const rows = await eyes.query<{
    task_id: string
    story: ReadonlyArray<{ readonly type: string; readonly at: string; readonly direct: boolean; readonly seq: number }>
  }>(
    `select a.refs->>'task_id' as task_id,
            json_agg(json_build_object('type', a.type, 'at', a.timestamp, 'seq', a.seq, 'direct',
              a.type = 'tool_call.attempted' and a.data->>'guarantee' in ('transactional', 'none')
              and a.tool in ('storm.insert', 'storm.schedule', 'storm.lot')) order by a.seq) as story
     from audit_events a
     where a.refs ? 'task_id' and a.type in
           ('task.canceled', 'task.paused', 'task.resumed', 'task.step_started', 'tool_call.attempted')
     group by 1`
  )
  // Who was not answered yet has not been obeyed yet; and then it is on its way to the other host.
  const heardBy = (task_id: string, at: string): number => {
    const epoch = Date.parse(at)
    const spoken = moves.filter((move) =>
      move.task_id === task_id && performance.timeOrigin + move.asked <= epoch + 5 &&
      performance.timeOrigin + move.answered >= epoch - 5
    )
    return Math.max(epoch, ...spoken.map((move) => performance.timeOrigin + move.answered)) + heardAfter
  }
  for (const { story, task_id } of rows) {
    let held: { readonly type: string; readonly at: string } | undefined
    for (const one of story) {
      if (one.type === "task.canceled" || one.type === "task.paused") held = one
      else if (one.type === "task.resumed") held = undefined
      // A call that leaves no trace is told with its end: its row has the time at which it began.
      else if (held !== undefined && !(one.direct && (deaf || Date.parse(one.at) <= heardBy(task_id, held.at)))) {
        say(`${one.type} after ${held.type}`, [{ task_id, held, one }])
      }
    }
  }
  const known = Map.groupBy(remote.known(), (id) => id.slice(0, id.indexOf("/")))
  for (const [task_id, own] of Map.groupBy(moves, (move) => move.task_id)) {
    for (const move of own) {
      if (move.verb !== "cancel" && move.verb !== "pause") continue
      // Answered before the pause was, it may have come after it all the same.
      const next = own.find(({ answered, verb }) => verb === "resume" && answered > move.asked)
      const from = move.answered + onItsWay
      const to = move.verb === "cancel" || next === undefined ? Infinity : next.asked
      for (const id of known.get(move.id) ?? []) {
        const late = remote.arrivals(id).filter((at) => at > from && at < to)
        if (late.length > 0) say(`asked of the other side after a ${move.verb}`, [{ task_id, id, late, from, to }])
      }
    }
  }
  return broken()
}
