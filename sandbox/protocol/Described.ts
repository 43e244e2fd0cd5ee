/** What a plugin brings, as its isolate tells it: plain JSON, checked before it is believed. */
import { Schema } from "effect"
import { Guarantee, Risk, Runtime, ToolEffect, Trust } from "../../core/contract/Enums.ts"

const optional = Schema.optionalKey
const Name = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))
const Words = Schema.String.check(Schema.isMaxLength(10_000))
const List = <A extends Schema.Top>(item: A) => Schema.Array(item).check(Schema.isMaxLength(500))
const Json = Schema.Record(Schema.String, Schema.Json)

const ToolShape = {
  name: Name,
  description: Words,
  input_schema: Json,
  output_schema: optional(Json),
  effect: ToolEffect,
  /** None: a function of the input. */
  risk: optional(Risk),
  scopes: List(Name),
  guarantee: optional(Guarantee),
  trust: optional(Trust),
  timeout_ms: optional(Schema.Finite),
  concurrency: optional(Schema.Int),
  /** Functions that it has besides `run`. */
  has: List(Schema.Literals(["bind", "preview", "probe", "compensate", "target", "action", "blastRadius"]))
}

export const DescribedTool = Schema.Struct(ToolShape)
export type DescribedTool = typeof DescribedTool.Type

export const DescribedJob = Schema.Struct({
  name: Name,
  description: optional(Words),
  input_schema: Json,
  risk: optional(Risk),
  /** Its risk is a function of the input. */
  risk_varies: optional(Schema.Boolean),
  effect: optional(ToolEffect),
  scopes: optional(List(Name)),
  runtime: optional(Runtime),
  limits: optional(Schema.Struct({ timeoutMs: optional(Schema.Finite), memoryMb: optional(Schema.Finite) })),
  concurrency: optional(Schema.Int),
  max_attempts: optional(Schema.Int),
  retry: optional(Json)
})
export type DescribedJob = typeof DescribedJob.Type

export const Described = Schema.Struct({
  /** The plugin's own name, and what tells this entry from others of it. */
  plugin: Name,
  instance: optional(Name),
  version: optional(Name),
  /** What it asks for. */
  permissions: Schema.Record(Schema.String, List(Schema.String)),
  tools: List(DescribedTool),
  intents: List(Schema.Struct({
    name: Name,
    patterns: List(Schema.Struct({ source: Words, flags: Schema.String })),
    tool: optional(Name),
    task: optional(Name),
    /** It makes the input itself from the groups. */
    reads: Schema.Boolean
  })),
  channels: List(Schema.Struct({
    name: Name,
    connector_id: optional(Name),
    trust: Trust,
    exclusive: optional(Schema.Boolean),
    has: List(Schema.Literals(["receive", "webhook", "live"])),
    send: optional(Schema.Struct(ToolShape))
  })),
  watchers: List(Schema.Struct({
    name: Name,
    interval_ms: Schema.Finite,
    timeout_ms: optional(Schema.Finite),
    trust: optional(Trust),
    throttle: optional(Schema.Struct({ events: Schema.Int, per_ms: Schema.Finite })),
    alarm_after: optional(Schema.Int)
  })),
  /** As the configuration has them: checked where all rules are. */
  rules: List(Json),
  jobs: List(DescribedJob),
  tasks: List(Schema.Struct({
    name: Name,
    description: Words,
    input_schema: Json,
    labels: optional(Schema.Json),
    priority: optional(Schema.Int),
    kind: Schema.Literals(["steps", "code"])
  })),
  routes: List(Schema.Struct({ method: Schema.Literals(["GET", "POST", "PUT", "PATCH", "DELETE"]), path: Words })),
  /** Options that take a secret and have one written out: `smtp.password`. */
  plain_secrets: optional(List(Name)),
  /** References to secrets that its options and its set-up hold. */
  secrets: optional(List(Schema.Tuple([Name, Name]))),
  /** Parts that run in the host only: a plugin that brings one is refused with these words. */
  refused: optional(Words)
})
export type Described = typeof Described.Type
