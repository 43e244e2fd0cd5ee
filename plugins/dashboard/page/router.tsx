/** The screens and their addresses. Each is a file of its own, loaded when it is first seen. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router"
import { Failed } from "./shell/Failed.tsx"
import { Shell } from "./shell/Shell.tsx"
import { NotThere } from "./shell/NotThere.tsx"

const root = createRootRoute({ component: Shell, notFoundComponent: NotThere })

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : typeof value === "number" ? String(value) : undefined

/** What is looked for on the Activity screen; in the address, so that a search can be kept and sent. */
export interface ActivitySearch {
  readonly kind?: "audit" | "events" | undefined
  readonly text?: string | undefined
  readonly channel?: string | undefined
  readonly type?: string | undefined
  readonly stage?: string | undefined
  readonly outcome?: string | undefined
  readonly tool?: string | undefined
  readonly risk?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

/** What is shown on the Tasks screen; in the address, too. */
export interface TasksSearch {
  /** As `GET /tasks?status=` takes it. */
  readonly status?: string | undefined
  readonly label?: string | undefined
  /** Made in the last so many hours. */
  readonly made?: string | undefined
}

/** What is shown on the Jobs screen. */
export interface JobsSearch {
  /** As `GET /jobs?status=` takes it. */
  readonly status?: string | undefined
  readonly kind?: string | undefined
}

const now = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/now/Now.tsx"), "Now")
})
const approvals = createRoute({
  getParentRoute: () => root,
  path: "/approvals",
  component: lazyRouteComponent(() => import("./pages/approvals/Approvals.tsx"), "Approvals")
})
const approval = createRoute({
  getParentRoute: () => root,
  path: "/approvals/$id",
  component: lazyRouteComponent(() => import("./pages/approvals/OneApproval.tsx"), "OneApproval")
})
const chat = createRoute({
  getParentRoute: () => root,
  path: "/chat",
  component: lazyRouteComponent(() => import("./pages/chat/Chat.tsx"), "Chat")
})
const activity = createRoute({
  getParentRoute: () => root,
  path: "/activity",
  validateSearch: (search: Record<string, unknown>): ActivitySearch => ({
    kind: search["kind"] === "events" ? "events" : undefined,
    text: text(search["text"]),
    channel: text(search["channel"]),
    type: text(search["type"]),
    stage: text(search["stage"]),
    outcome: text(search["outcome"]),
    tool: text(search["tool"]),
    risk: text(search["risk"]),
    since: text(search["since"]),
    until: text(search["until"])
  }),
  component: lazyRouteComponent(() => import("./pages/activity/Activity.tsx"), "Activity")
})
const trace = createRoute({
  getParentRoute: () => root,
  path: "/trace/$traceId",
  validateSearch: (search: Record<string, unknown>): { readonly view?: "tree" | undefined } => ({
    view: search["view"] === "tree" ? "tree" : undefined
  }),
  component: lazyRouteComponent(() => import("./pages/trace/TracePage.tsx"), "TracePage")
})
const tasks = createRoute({
  getParentRoute: () => root,
  path: "/tasks",
  validateSearch: (search: Record<string, unknown>): TasksSearch => ({
    status: text(search["status"]),
    label: text(search["label"]),
    made: text(search["made"])
  }),
  component: lazyRouteComponent(() => import("./pages/tasks/Tasks.tsx"), "Tasks")
})
const task = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$id",
  component: lazyRouteComponent(() => import("./pages/tasks/OneTask.tsx"), "OneTask")
})
const schedules = createRoute({
  getParentRoute: () => root,
  path: "/schedules",
  component: lazyRouteComponent(() => import("./pages/schedules/Schedules.tsx"), "Schedules")
})
const schedule = createRoute({
  getParentRoute: () => root,
  path: "/schedules/$id",
  component: lazyRouteComponent(() => import("./pages/schedules/OneSchedule.tsx"), "OneSchedule")
})
const rules = createRoute({
  getParentRoute: () => root,
  path: "/rules",
  component: lazyRouteComponent(() => import("./pages/rules/Rules.tsx"), "Rules")
})
const rule = createRoute({
  getParentRoute: () => root,
  path: "/rules/$id",
  validateSearch: (search: Record<string, unknown>): { readonly event?: string | undefined } => ({
    event: text(search["event"])
  }),
  component: lazyRouteComponent(() => import("./pages/rules/OneRule.tsx"), "OneRule")
})
const watchers = createRoute({
  getParentRoute: () => root,
  path: "/watchers",
  component: lazyRouteComponent(() => import("./pages/watchers/Watchers.tsx"), "Watchers")
})
const integrations = createRoute({
  getParentRoute: () => root,
  path: "/integrations",
  component: lazyRouteComponent(() => import("./pages/integrations/Integrations.tsx"), "Integrations")
})
const jobs = createRoute({
  getParentRoute: () => root,
  path: "/jobs",
  validateSearch: (search: Record<string, unknown>): JobsSearch => ({
    status: text(search["status"]),
    kind: text(search["kind"])
  }),
  component: lazyRouteComponent(() => import("./pages/jobs/Jobs.tsx"), "Jobs")
})
const plugins = createRoute({
  getParentRoute: () => root,
  path: "/plugins",
  component: lazyRouteComponent(() => import("./pages/plugins/Plugins.tsx"), "Plugins")
})
const memory = createRoute({
  getParentRoute: () => root,
  path: "/memory",
  component: lazyRouteComponent(() => import("./pages/memory/Memory.tsx"), "Memory")
})
const costs = createRoute({
  getParentRoute: () => root,
  path: "/costs",
  component: lazyRouteComponent(() => import("./pages/costs/Costs.tsx"), "Costs")
})
const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  component: lazyRouteComponent(() => import("./pages/settings/Settings.tsx"), "Settings")
})

export const router = createRouter({
  routeTree: root.addChildren([
    now,
    approvals,
    approval,
    chat,
    activity,
    trace,
    tasks,
    task,
    schedules,
    schedule,
    rules,
    rule,
    watchers,
    integrations,
    jobs,
    plugins,
    memory,
    costs,
    settings
  ]),
  basepath: "/plugins/dashboard",
  defaultPreload: "intent",
  defaultErrorComponent: Failed,
  scrollRestoration: true
})

declare module "@tanstack/react-router" {
  interface Register {
    readonly router: typeof router
  }
}
