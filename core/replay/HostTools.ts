/**
 * The plugins that a host has whatever its operator configures: for the host itself, and for a replay of what it decided.
 */
import { Effect, Layer } from "effect"
import { Questions } from "../mcp/Questions.ts"
import { questionTools } from "../mcp/QuestionTools.ts"
import { memoryTools } from "../memory/MemoryTools.ts"
import { chatTools } from "../pipeline/ChatTools.ts"
import { HostPlugins } from "../plugin/PluginHost.ts"
import { RuleDesk } from "../rules/RuleDesk.ts"
import { ruleTools } from "../rules/RuleTools.ts"
import { controlTools } from "../safety/ControlTools.ts"
import { scheduleTools } from "../scheduler/ScheduleTools.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { taskTools } from "../tasks/TaskTools.ts"
import { approvalTools } from "../tools/ApprovalTools.ts"
import { jobTools } from "../workers/JobHostTools.ts"

const fixed = [taskTools, jobTools, approvalTools, chatTools, controlTools, scheduleTools]

/** There whatever the operator configures. */
export const layerHostPlugins = Layer.effect(
  HostPlugins,
  Effect.map(
    Effect.all([RuleDesk, Redactor, Questions]),
    ([desk, redactor, questions]) => [...fixed, ruleTools(desk), memoryTools(redactor), questionTools(questions)]
  )
)
