/**
 * The state machine of jobs, once: the code asks this table, the database's guard (`migrations/0008`) is written from it, and a
 * test compares them.
 *
 * Races have one winner: whoever locks the row of `work` first.
 *
 * | race | winner |
 * |---|---|
 * | cancel and the end of the run | the first commit; a cancel after it is refused (409); an end after it is told as canceled |
 * | cancel and a host that claims | a row that is held is canceled by its holder, a free one at once |
 * | a host that wakes late | the host that claimed after it; the late one writes nothing |
 */
import type { JobStatus } from "../contract/Enums.ts"

type Moves = Readonly<Record<JobStatus | "born", Readonly<Partial<Record<JobStatus, string>>>>>

export const jobMoves: Moves = {
  born: { queued: "no host has room", running: "started with it" },
  queued: {
    running: "claimed by a host",
    failed: "it can't be run any more",
    canceled: "cancel"
  },
  running: {
    waiting: "its attempt failed, and it has another",
    queued: "its host ended, and it has another attempt",
    succeeded: "done",
    failed: "not done, and it has no other attempt",
    timed_out: "it took too long, and has no other attempt",
    canceled: "cancel"
  },
  waiting: {
    running: "its time came",
    failed: "it can't be run any more",
    canceled: "cancel"
  },
  succeeded: {},
  failed: {},
  canceled: {},
  timed_out: {}
}

/** Whether a status may follow another. */
export const mayFollow = (from: JobStatus | "born", to: JobStatus): boolean => to in jobMoves[from]

const statuses = (Object.keys(jobMoves) as ReadonlyArray<JobStatus | "born">).filter((from) => from !== "born")

/** Nothing leads out of these. */
export const endedStatuses = statuses.filter((status) => Object.keys(jobMoves[status]).length === 0)

const listed = (from: JobStatus | "born"): string => Object.keys(jobMoves[from]).map((to) => `'${to}'`).join(", ")

/** What of a job never changes. */
const fixed = [
  "job_id",
  "trace_id",
  "event_id",
  "tool_call_id",
  "task_id",
  "plugin",
  "kind",
  "runtime",
  "input",
  "limits",
  "labels",
  "max_attempts",
  "retry"
]

/** The guard, as `migrations/0008_jobs.sql` has it. The conditions stand in the triggers: a legal move calls no function. */
export const guard = (): string => {
  const changed = fixed.map((column) => `new.${column} is distinct from old.${column}`).join("\n        or ")
  const moves = statuses.filter((status) => !endedStatuses.includes(status)).map((from) =>
    `    when '${from}' then new.status not in (${listed(from)})`
  ).join("\n")
  return `create function jobs_refused() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    raise exception 'a job does not begin as %', new.status using errcode = 'SY081';
  end if;
  if old.status in (${endedStatuses.map((status) => `'${status}'`).join(", ")}) then
    raise exception 'a job that is % does not change any more', old.status using errcode = 'SY082';
  end if;
  if ${changed} then
    raise exception 'the identity and the input of a job never change' using errcode = 'SY080';
  end if;
  if new.fence < old.fence or new.attempt < old.attempt then
    raise exception 'the fence and the attempt of a job never go back' using errcode = 'SY083';
  end if;
  raise exception 'a job does not go from % to %', old.status, new.status using errcode = 'SY081';
end $$;
create trigger jobs_born before insert on jobs for each row
  when (new.status not in (${listed("born")}))
  execute function jobs_refused();
create trigger jobs_moved before update on jobs for each row
  when (${changed}
        or new.fence < old.fence or new.attempt < old.attempt
        or old.status in (${endedStatuses.map((status) => `'${status}'`).join(", ")})
        or (new.status <> old.status and case old.status
${moves}
    else true end))
  execute function jobs_refused();`
}
