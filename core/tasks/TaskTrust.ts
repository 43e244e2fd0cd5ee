/**
 * Whose words a task rests on: the worst of its event and of everything that its steps brought in. What an untrusted tool
 * gave back, an error too, or a tool of the host said of its output, is noted at its step, in the database: it stays with the task, whatever the tool becomes.
 */
import type { Trust } from "../contract/Enums.ts"
import { outputTrust } from "../plugin/OutputTrust.ts"
import type { RegisteredTool, Registry } from "../plugin/Registry.ts"
import { worst } from "../safety/Provenance.ts"
import type { StepRow, TaskRow } from "./TaskRows.ts"
import type { Draft, TaskRun } from "./TaskRun.ts"

interface Noted {
  /** Of what the step brought in; nothing where it is as good as the task. */
  readonly trust?: Trust
  /** The input that the operator put in the place of the step's own. */
  readonly edited?: { readonly input: unknown }
  /** The call that a person has said yes to and that was begun. */
  readonly approved?: string
}

const notedOf = ({ checkpoint }: Pick<StepRow, "checkpoint">): Noted => (checkpoint ?? {}) as Noted

/** The checkpoint of a step with something more noted in it. */
export const noted = (step: Pick<StepRow, "checkpoint">, more: Noted): object => ({ ...notedOf(step), ...more })

/**
 * What is noted at a step whose call has ended: that the words of an untrusted tool are in the task. Of a tool that is not
 * there any more nobody knows, so its words are: a server takes its tools away when it likes.
 */
export const broughtIn = (
  step: Pick<StepRow, "checkpoint">,
  tool: RegisteredTool | undefined,
  output: unknown
): Partial<StepRow> => {
  const trust = tool === undefined ? "untrusted" : outputTrust(tool.definition, output)
  return trust === "untrusted" ? { checkpoint: noted(step, { trust }) } : {}
}

/** The worst of all that is in a task, with what is about to be written of it: the step before may be in the same write. */
export const trustOf = ({ event, steps }: Pick<TaskRun, "event" | "steps">, draft: Pick<Draft, "steps">): Trust => {
  let found = event.trust
  for (const step of steps.values()) found = worst(found, notedOf(step).trust ?? "operator")
  for (const { row } of draft.steps.values()) found = worst(found, notedOf(row).trust ?? "operator")
  return found
}

/**
 * Of whoever chose what a task calls, and with what: a plugin that nobody vouches for, or one that is not there any more, is
 * believed for its own tools alone.
 */
export const chooserOf = (
  { definition }: Pick<TaskRow, "definition">,
  tool: Pick<RegisteredTool, "plugin">,
  registry: Pick<Registry["Service"], "task">
): Trust => {
  if (definition === undefined) return "operator"
  const task = registry.task(definition)
  return task === undefined || (task.strange === true && task.plugin !== tool.plugin) ? "untrusted" : "operator"
}

/** What a step calls its tool with: its own input, or what the operator made of it. */
export const inputOf = (step: Pick<StepRow, "checkpoint" | "input">): unknown => {
  const { edited } = notedOf(step)
  return edited === undefined ? step.input : edited.input
}

/** Whether a person said yes to this step's call, and it was begun with that. */
export const wasApproved = (step: Pick<StepRow, "checkpoint" | "tool_call_id">): boolean =>
  step.tool_call_id !== undefined && notedOf(step).approved === step.tool_call_id
