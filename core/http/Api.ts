/**
 * The HTTP API: one group a file in `groups/`. To add one, add it here and its handlers in `Routes.ts`.
 *
 * `Document` has besides what is served without it: `POST /events`, the webhooks and `/mcp`, before the router, and the
 * documentation itself. It is the OpenAPI document, and the list of paths and methods for 404 and 405. The routes of
 * plugins are in neither.
 */
import { HttpApi, OpenApi } from "effect/http-api"
import { version } from "../health/Version.ts"
import { Checked } from "./Checked.ts"
import { AlarmsGroup } from "./groups/Alarms.ts"
import { ApprovalsGroup } from "./groups/Approvals.ts"
import { ArtifactsGroup } from "./groups/Artifacts.ts"
import { AuditGroup } from "./groups/Audit.ts"
import { ChatGroup } from "./groups/Chat.ts"
import { ControlsGroup } from "./groups/Controls.ts"
import { CostsGroup } from "./groups/Costs.ts"
import { DocumentationGroup } from "./groups/Documentation.ts"
import { EventsGroup } from "./groups/Events.ts"
import { ExportGroup } from "./groups/Export.ts"
import { HooksGroup } from "./groups/Hooks.ts"
import { IntakeGroup } from "./groups/Intake.ts"
import { IntegrationsGroup } from "./groups/Integrations.ts"
import { JobsGroup } from "./groups/Jobs.ts"
import { LlmGroup } from "./groups/Llm.ts"
import { LoginGroup } from "./groups/Login.ts"
import { McpGroup } from "./groups/Mcp.ts"
import { MemoryGroup } from "./groups/Memory.ts"
import { PluginsGroup } from "./groups/Plugins.ts"
import { PolicyGroup } from "./groups/Policy.ts"
import { QuestionsGroup } from "./groups/Questions.ts"
import { QuietHoursGroup } from "./groups/QuietHours.ts"
import { RulesGroup } from "./groups/Rules.ts"
import { SchedulesGroup } from "./groups/Schedules.ts"
import { SettingsGroup } from "./groups/Settings.ts"
import { SystemGroup } from "./groups/System.ts"
import { TasksGroup } from "./groups/Tasks.ts"
import { ToolCallsGroup } from "./groups/ToolCalls.ts"
import { ToolsGroup } from "./groups/Tools.ts"
import { TracesGroup } from "./groups/Traces.ts"
import { WatchersGroup } from "./groups/Watchers.ts"

export const Api = HttpApi.make("syris")
  .add(SystemGroup, EventsGroup, AuditGroup, TracesGroup, TasksGroup, ToolCallsGroup, ToolsGroup, PluginsGroup)
  .add(ChatGroup, ApprovalsGroup, PolicyGroup)
  .add(ControlsGroup)
  .add(SchedulesGroup, RulesGroup)
  .add(ArtifactsGroup, MemoryGroup)
  .add(LlmGroup, CostsGroup)
  .add(QuietHoursGroup, AlarmsGroup)
  .add(WatchersGroup)
  .add(JobsGroup)
  .add(QuestionsGroup)
  .add(IntegrationsGroup)
  .add(ExportGroup, SettingsGroup)
  .add(LoginGroup)
  .middleware(Checked)
  .annotate(HttpApi.ParseOptions, { onExcessProperty: "error", errors: "all" })
  .annotate(HttpApi.HeadersParseOptions, {})
  .annotate(HttpApi.SuccessParseOptions, {})
  .annotate(HttpApi.ErrorParseOptions, {})
export type Api = typeof Api

/** Addresses that need neither token nor session. */
const open = new Set(["GET /health", "GET /docs", "POST /login", "POST /hooks/{connector_id}"])

/** Addresses that take the token only. */
const tokenOnly = /^(\/mcp|\/login\/codes)$/

interface Operation {
  security?: ReadonlyArray<Record<string, ReadonlyArray<string>>>
}

export const Document = Api
  .add(IntakeGroup, HooksGroup, McpGroup, DocumentationGroup)
  .annotateMerge(OpenApi.annotations({
    title: "SYRIS",
    version,
    description:
      "The automation host of one operator. Every address but a few takes the bearer token from $SYRIS_HOME/token, or the " +
      "session of a browser that is logged in.",
    transform: (document) => {
      document["components"].securitySchemes = {
        bearer: { type: "http", scheme: "bearer" },
        cookie: {
          type: "apiKey",
          in: "cookie",
          name: "syris_session_4747",
          description:
            "Set by POST /login; its name ends in the port of the host. Requests that may change something need the host's Origin."
        }
      }
      document["security"] = [{ bearer: [] }, { cookie: [] }]
      for (const [path, item] of Object.entries<Record<string, Operation>>(document["paths"])) {
        for (const [method, operation] of Object.entries(item)) {
          // What the groups say is nothing; the rule is one for all.
          delete operation.security
          if (open.has(`${method.toUpperCase()} ${path}`)) operation.security = []
          else if (tokenOnly.test(path)) operation.security = [{ bearer: [] }]
        }
      }
      return document
    }
  }))
