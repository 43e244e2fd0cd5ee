/**
 * The state machine of tasks and steps, once. The code asks this table, the database's guard (`migrations/0002`) is written
 * from it, and so is the drawing in `docs/tasks.md`; tests compare all three.
 *
 * Races have one winner: whoever locks the row of `work` first.
 *
 * | race | winner |
 * |---|---|
 * | cancel and the last step's outcome | the first commit; a cancel after it is refused (409) |
 * | cancel and a call in flight | the task is canceled at once, the call's outcome is still awaited and told |
 * | pause and a call in flight | no further step begins; the outcome is kept, the task goes on at resume |
 * | pause and the last step's outcome | the first commit; a paused task ends at resume |
 * | resume and a call in flight | it goes on as if it had not been paused |
 * | retry, resume or cancel twice | the first; the second is refused (409) |
 * | a host that wakes late | the host that claimed after it; the late one writes nothing |
 */
import type { StepStatus, TaskStatus } from "../contract/Enums.ts"

/** From a status to those that may follow, each with what leads there. `born`: how a row may begin. */
type Moves<Status extends string> = Readonly<Record<Status | "born", Readonly<Partial<Record<Status, string>>>>>

export const taskMoves: Moves<TaskStatus> = {
  born: { pending: "created", running: "created and started" },
  pending: {
    running: "claimed by a host",
    waiting: "claimed, and it still waits",
    succeeded: "claimed, and all was done",
    failed: "claimed, and a step had failed",
    paused: "pause",
    canceled: "cancel"
  },
  running: {
    pending: "its host ended",
    waiting: "a time, a person, an approval or a job",
    paused: "pause",
    succeeded: "the last step succeeded",
    failed: "a step failed",
    canceled: "cancel"
  },
  waiting: {
    running: "it came",
    pending: "it came, no host is free",
    succeeded: "it came, and was all",
    failed: "it came to nothing",
    paused: "pause",
    canceled: "cancel"
  },
  paused: { pending: "resume", running: "resume in the middle of a call", canceled: "cancel" },
  failed: { pending: "retry by the operator" },
  succeeded: {},
  canceled: {}
}

export const stepMoves: Moves<StepStatus> = {
  born: {
    pending: "planned",
    running: "begun at once",
    waiting: "a wait, begun at once",
    succeeded: "a call without a trace, stored with its end",
    failed: "refused at once"
  },
  pending: {
    running: "begun",
    waiting: "a wait",
    succeeded: "a wait whose time has passed",
    failed: "refused before it began",
    skipped: "the task ended before it"
  },
  running: {
    succeeded: "done",
    failed: "not done",
    waiting: "only a person can tell, or say yes",
    pending: "to be tried again"
  },
  waiting: {
    running: "it came",
    pending: "to be tried again",
    succeeded: "it came, and was all",
    failed: "it came to nothing",
    skipped: "the task was canceled"
  },
  failed: { pending: "retry by the operator" },
  skipped: { pending: "retry by the operator" },
  succeeded: {}
}

/** Whether a status may follow another. */
export const mayFollow = <Status extends string>(
  moves: Moves<Status>,
  from: NoInfer<Status> | "born",
  to: NoInfer<Status>
): boolean => to in moves[from]

/** Statuses that nothing but the operator leads out of. */
export const endedTask = (status: TaskStatus): boolean =>
  status === "succeeded" || status === "failed" || status === "canceled"

const statesOf = (moves: Moves<string>): ReadonlyArray<string> => Object.keys(moves).filter((from) => from !== "born")

const guard = (
  table: "tasks" | "steps",
  what: string,
  moves: Moves<string>,
  fixed: ReadonlyArray<string>,
  codes: { readonly identity: string; readonly move: string }
): string => {
  const list = (from: string) => Object.keys(moves[from] ?? {}).map((to) => `'${to}'`).join(", ")
  const changed = fixed.map((column) => `new.${column} is distinct from old.${column}`).join("\n        or ")
  const cases = statesOf(moves).map((from) =>
    `    when '${from}' then ${list(from) === "" ? "true" : `new.status not in (${list(from)})`}`
  ).join("\n")
  // The conditions stand in the triggers: a legal move, and there are ten in a small task, calls no function.
  return `create function ${table}_refused() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    raise exception 'a ${what} does not begin as %', new.status using errcode = '${codes.move}';
  end if;
  if ${changed} then
    raise exception 'the identity and the input of a ${what} never change' using errcode = '${codes.identity}';
  end if;
  raise exception 'a ${what} does not go from % to %', old.status, new.status using errcode = '${codes.move}';
end $$;
create trigger ${table}_born before insert on ${table} for each row
  when (new.status not in (${list("born")}))
  execute function ${table}_refused();
create trigger ${table}_moved before update on ${table} for each row
  when (${changed}
        or (new.status <> old.status and case old.status
${cases}
    else true end))
  execute function ${table}_refused();`
}

/** The two guards, as `migrations/0002_tasks.sql` has them. */
export const guards = (): string =>
  [
    guard(
      "tasks",
      "task",
      taskMoves,
      ["task_id", "trace_id", "trigger_event_id", "kind", "definition", "input"],
      { identity: "SY030", move: "SY031" }
    ),
    guard(
      "steps",
      "step",
      stepMoves,
      ["task_id", "position", "step_id", "kind", "tool", "input"],
      { identity: "SY032", move: "SY033" }
    )
  ].join("\n\n")

const drawing = (moves: Moves<string>): string => {
  const lines = Object.entries(moves).flatMap(([from, to]) =>
    Object.entries(to).map(([status, why]) => `  ${from === "born" ? "[*]" : from} --> ${status}: ${why}`)
  )
  const ends = statesOf(moves).filter((from) => Object.keys(moves[from] ?? {}).length === 0)
  return ["```mermaid", "stateDiagram-v2", ...lines, ...ends.map((end) => `  ${end} --> [*]`), "```"].join("\n")
}

/** The drawings of `docs/tasks.md`. */
export const drawings = (): { readonly task: string; readonly step: string } => ({
  task: drawing(taskMoves),
  step: drawing(stepMoves)
})
