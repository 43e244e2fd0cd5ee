/**
 * Tests: beside their source, and in `test/` where they cross folders. Two cores are enough: two files run at a time, each
 * with databases of its own. Those of `test/` that start processes have one each. The others share two, since loading what they
 * all import would cost more than half of their time; a file that would spoil that for the next is named below.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const here = (file: string): string => path.join(import.meta.dirname, file)
// Through the barrels of `effect` every file of tests would load all of it.
const { direct } = await import(pathToFileURL(here("bin/build.mjs")).href) as {
  readonly direct: { readonly name: string }
}
const globalSetup = here("test/globalSetup.ts")

/** Files beside their source that have a process of their own. */
const apart = [
  // They put timers of their own into `globalThis`.
  "core/tasks/Tasks.property.test.ts",
  "core/tasks/UnwrittenDecision.test.ts"
]

/** What takes longest is begun first, so that neither process waits for the other at the end; the longest first. */
const longest = [
  "test/browser/pages",
  "test/stories/email",
  "test/browser/hostile",
  "test/browser/operator",
  "core/tasks/Tasks.property",
  "test/storms/taskRedControl",
  "test/storms/killStatements",
  "test/stories/repliesCrash",
  "test/stories/loopCrash",
  "test/conformance/runtimes",
  "test/storms/killStorm",
  "test/stories/hostileText",
  "test/stories/rules",
  "test/storms/hostileDatabase",
  "test/storms/taskKillStatements",
  "test/escapes/escapes",
  "test/stories/homeAssistant",
  "test/stories/mqtt",
  "test/stories/hostLife",
  "test/stories/hostileJobs",
  "test/storms/approvalRaces",
  "test/storms/scheduleStorm",
  "test/storms/ruleStorm",
  "sandbox/runtimes/Wires",
  "core/isolates/IsolateHost",
  "core/workers/WorkersHosts"
]

/** Stories whose host is in the process of the test, and that start nothing else: they share, too. */
const told = [
  "test/{eval,house}/**/*.test.ts",
  "test/stories/{approvalMutations,approvals,budgets,endings,firstEvent,gates,heldPlugin,manyTools,memory}.test.ts",
  "test/stories/{modelBounds,modelFailures,modelPlans,modelSteps,outsiders,scheduleTrust,schedules}.test.ts"
]

/** Groups of files. The processes of one end with it: what its files leave in their memory is bounded so. */
const shared = [
  { name: "stories", include: told },
  { name: "core, a to i", include: ["core/[a-i]*/**/*.test.ts"], exclude: apart },
  { name: "core, j to r", include: ["core/[j-r]*/**/*.test.ts"], exclude: apart },
  { name: "others", include: ["{core,plugins,sandbox}/**/*.test.ts"], exclude: [...apart, "core/[a-r]*/**"] }
]
const groups = ["apart", ...shared.map(({ name }) => name)]

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = longest.findIndex((file) => moduleId.endsWith(`/${file}.test.ts`))
      return found < 0 ? longest.length : found
    }
    const group = ({ project }: TestSpecification): number => groups.indexOf(project.name)
    return (await super.sort(files)).toSorted((a, b) => group(a) - group(b) || place(a) - place(b))
  }
}

export default defineConfig({
  plugins: [{ ...direct, enforce: "pre" }],
  resolve: {
    alias: [
      { find: /^syris$/, replacement: here("core/plugin/index.ts") },
      { find: /^syris\/testing$/, replacement: here("core/testing/index.ts") },
      { find: /^syris\/records$/, replacement: here("core/contract/Records.ts") },
      { find: /^syris\/visible$/, replacement: here("core/contract/Visible.ts") },
      { find: /^syris\/words$/, replacement: here("core/contract/words/index.ts") },
      { find: /^syris\/plugins\/([^/]+)$/, replacement: here("plugins/$1/index.ts") }
    ]
  },
  test: {
    globalSetup: fs.existsSync(globalSetup) ? [globalSetup] : [],
    pool: "forks",
    execArgv: ["--import", pathToFileURL(here("test/compileCache.mjs")).href],
    maxWorkers: 2,
    // No test leaves a key in the keyring of whoever runs it.
    env: { SYRIS_KEY_SOURCE: "file" },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { name: "apart", include: ["test/**/*.test.ts", ...apart], exclude: told } },
      ...shared.map((files) => ({ extends: true as const, test: { ...files, isolate: false } }))
    ]
  }
})
