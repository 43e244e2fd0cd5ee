/**
 * For tests of plugins: a host in a database of its own, a clock that the test moves, and the world outside as a file.
 */
export { type OutsideLedger, openLedger } from "./OutsideLedger.ts"
export {
  type ModelRequest,
  type Script,
  type ScriptedAnswer,
  type ScriptedCall,
  scriptedModel,
  type ScriptedModel
} from "./ScriptedModel.ts"
export { type Sent, type TestHost, testHost, type TestHostOptions } from "./TestHost.ts"
