/**
 * Rounds of the storm of approvals: each asks, as an event or as a task, and several people answer at once: yes, yes, no,
 * something else, never mind; some at the moment at which it ends, some never. Each answer is noted.
 */
import type { Said, Verb } from "./ApprovalReckoning.ts"
import type { Eyes } from "./Databases.ts"
import type { Host } from "./Hosts.ts"
import type { Acknowledged } from "./Load.ts"
import { eventOf, kinds } from "./StormPlugin.ts"
import { makeTask } from "./StormTasks.ts"
import { moment, until } from "./Until.ts"

export interface RoundsOptions {
  readonly eyes: Eyes
  readonly random: () => number
  /** One that is up, as far as anybody knows. */
  readonly host: () => Promise<Host>
  /** Until a question ends, milliseconds. */
  readonly ttlMs: number
  /** Prefix of what is done outside. */
  readonly name?: string
}

export interface Rounds {
  readonly said: ReadonlyArray<Said>
  readonly acknowledged: ReadonlyArray<Acknowledged<string>>
  /** By verb and status of the answer. */
  readonly answers: Readonly<Record<string, number>>
  /** Plays one round to its end. */
  readonly play: (n: number) => Promise<void>
}

interface Question {
  readonly approval_id: string
  readonly what_hash: string
  readonly task_id: string | null
  readonly what: { readonly id: string }
}

/** Who answers a question: all at once in the most cases. */
const crowds: ReadonlyArray<ReadonlyArray<Verb | "cancel">> = [
  ["approve"],
  ["approve", "approve"],
  ["approve", "deny"],
  ["deny", "approve", "approve"],
  ["approve", "edit"],
  ["edit", "deny", "approve"],
  ["edit"],
  ["edit", "edit", "approve"],
  ["edit", "cancel"],
  ["approve", "cancel"],
  ["deny", "cancel", "approve"],
  ["approve", "approve", "approve", "deny", "deny"],
  []
]

/** What of a trace can still go on by itself. */
const owedOf = `
  select w.kind, w.waits_for, w.wish, w.decided, w.tries, w.checkpoint, w.claimed_by, h.ended_at, h.lease_until,
         (w.due_at - clock_timestamp())::text as due_in, t.status as task, (select paused from control) as paused,
         (select jsonb_agg(jsonb_build_object('status', c.status, 'attempts', c.attempts, 'approval', a.status))
          from tool_calls c left join approvals a on a.tool_call_id = c.tool_call_id
          where c.trace_id = w.trace_id) as calls
  from work w
       left join hosts h on h.host_id = w.claimed_by
       left join tasks t on t.task_id = w.work_id
  where w.trace_id = $1::uuid and not w.parked`

export const startRounds = ({ eyes, host, name = "r", random, ttlMs }: RoundsOptions): Rounds => {
  const said: Array<Said> = []
  const acknowledged: Array<Acknowledged<string>> = []
  const answers: Record<string, number> = {}
  const pick = <A>(from: ReadonlyArray<A>): A => from[Math.floor(random() * from.length)] as A

  const post = async (at: string, body?: object): Promise<number> => {
    try {
      return (await (await host()).request("POST", at, body, { signal: AbortSignal.timeout(10_000) })).status
    } catch {
      return 0
    }
  }

  const speak = async (question: Question, verb: Verb | "cancel"): Promise<void> => {
    if (verb === "cancel" && question.task_id === null) return
    const at = verb === "cancel" ? `/tasks/${question.task_id}/cancel` : `/approvals/${question.approval_id}/${verb}`
    const body = verb === "edit"
      ? { input: { ...question.what, id: `${question.what.id}+` } }
      : verb === "approve" && random() < 0.7
      ? { what_hash: question.what_hash }
      : undefined
    const status = await post(at, body)
    answers[`${verb} ${status}`] = (answers[`${verb} ${status}`] ?? 0) + 1
    if (verb !== "cancel") said.push({ approval_id: question.approval_id, verb, status })
  }

  const answer = async (question: Question): Promise<void> => {
    const edited = question.what.id.endsWith("++")
    const crowd = pick(crowds).filter((verb) => !(edited && verb === "edit"))
    const lot = random()
    // Most soon, some at the very end of it.
    const begin = lot < 0.8 ? random() * 200 : ttlMs - 150 + random() * 300
    const spread = random() < 0.6 ? 5 : 150
    await Promise.all(crowd.map(async (verb, place) => {
      await moment(begin + (place === 0 ? 0 : random() * spread))
      await speak(question, verb)
    }))
  }

  const step = (id: string, part: string) => ({
    name: part,
    tool: `storm.${pick(kinds)}`,
    input: { id: `${id}/${part}` }
  })

  const ask = async (id: string) => {
    const asTask = random() < 0.5
    const shape = random()
    for (let again = 0;; again++) {
      try {
        const to = await host()
        const signal = AbortSignal.timeout(10_000)
        if (!asTask) {
          const made = await to.send(eventOf(pick(kinds), id), { signal })
          if (made.status === 202 || made.status === 200) return { ...made, id, kind: "event" }
        } else {
          const label = again === 0 ? id : `${id}.${again}`
          const steps = shape < 0.5
            ? [step(label, "one")]
            : shape < 0.75
            ? [step(label, "one"), step(label, "two")]
            : [[step(label, "left"), step(label, "right")], step(label, "last")]
          const made = await makeTask(to, label, { steps }, signal)
          if (made.status === 201) return { ...made, kind: "task" }
        }
      } catch {
        // Sent again, to whoever is up.
      }
      await moment(20)
    }
  }

  return {
    said,
    acknowledged,
    answers,
    play: async (n) => {
      const { event_id, id, kind, trace_id } = await ask(`${name}-${n}`)
      acknowledged.push({ id, kind, event_id, trace_id })
      const seen = new Set<string>()
      await until(`the end of ${id}`, async () => {
        const questions = await eyes.query<Question>(
          "select approval_id, what_hash, task_id, what from approvals where trace_id = $1::uuid and status = 'pending'",
          [trace_id]
        )
        const fresh = questions.filter(({ approval_id }) => !seen.has(approval_id))
        for (const { approval_id } of fresh) seen.add(approval_id)
        await Promise.all(fresh.map(answer))
        const owed = await eyes.query(owedOf, [trace_id])
        if (owed.length > 0) throw new Error(`still owed: ${JSON.stringify(owed)}`)
        return true
      }, 120_000)
    }
  }
}
