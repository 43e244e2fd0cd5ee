/**
 * Which tools of the host clients of `/mcp` may call.
 */
import type { RegisteredTool } from "../../plugin/Registry.ts"
import { answerTool } from "../../tasks/TaskAnswer.ts"

/** What the protocol takes as a tool's name. */
const namePattern = /^[A-Za-z0-9_.-]{1,128}$/

/** Not what is the operator's alone, nor the answer to a question of a task, which only the router hands over. */
export const isServed = ({ definition: { name }, operatorOnly, steering }: RegisteredTool): boolean =>
  !operatorOnly && steering === undefined && name !== answerTool && namePattern.test(name)
