/**
 * The house rules that people forget: an import never goes up, plugins have no private door, files stay readable.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "vitest"

const root = path.join(import.meta.dirname, "../..")

/** From the ground floor up; folders on one line may know each other. */
const floors: ReadonlyArray<ReadonlyArray<string>> = [
  ["contract"],
  ["database", "audit", "secrets", "health"],
  ["plugin", "safety"],
  ["sandbox"],
  ["isolates"],
  ["tools", "llm"],
  ["pipeline", "tasks", "memory"],
  ["scheduler", "watchers", "rules", "mcp", "workers"],
  ["replay"],
  ["http"],
  ["cli"],
  ["testing"]
]
const floorOf = (folder: string): number => floors.findIndex((floor) => floor.includes(folder))

const sources = (folder: string): ReadonlyArray<string> =>
  fs.readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file) && !file.includes("node_modules"))
    .map((file) => path.join(folder, file))

const importsOf = (file: string): ReadonlyArray<string> =>
  Array.from(
    fs.readFileSync(path.join(root, file), "utf8").matchAll(/^\s*(?:import|export)\b[^"']*?from\s+"([^"]+)"/gm),
    (match) => match[1] ?? ""
  )

/** Its folder of `core`; `sandbox` is one floor with all that is in it. */
const folderOf = (file: string): string | undefined => {
  const [top, folder] = file.split(path.sep)
  return top === "core" ? folder : top === "sandbox" ? top : undefined
}

/** What goes up in a list of `[file, import]`. */
const goingUp = (pairs: ReadonlyArray<readonly [string, string]>): ReadonlyArray<string> =>
  pairs.flatMap(([file, specifier]) => {
    if (!specifier.startsWith(".")) return []
    const from = folderOf(file)
    const target = path.join(path.dirname(file), specifier)
    const to = folderOf(target)
    if (from === undefined || to === undefined || from.endsWith(".ts")) return []
    // An entry and the test kit stand on top of everything.
    if (to === "main.ts") return from === "testing" || file.endsWith(".entry.ts") ? [] : [`${file} imports ${target}`]
    const [low, high] = [floorOf(from), floorOf(to)]
    if (low === -1) return [`${file}: the folder ${from} has no floor in this test`]
    return high > low ? [`${file} imports ${target}`] : []
  })

const pairsOf = (files: ReadonlyArray<string>) =>
  files.flatMap((file) => importsOf(file).map((specifier) => [file, specifier] as const))

const isTest = (file: string): boolean => /\.test\.tsx?$/.test(file)

describe("the house", () => {
  const core = [...sources("core"), ...sources("sandbox")].filter((file) => !isTest(file))

  it("has no import that goes up", () => {
    assert.deepEqual(goingUp(pairsOf(core).filter(([file]) => !/Test[A-Z]\w+\.ts$/.test(file))), [])
  })

  it("would see one", () => {
    assert.lengthOf(goingUp([["core/tools/ToolRun.ts", "../pipeline/Router.ts"]]), 1)
    assert.lengthOf(goingUp([["core/audit/Audit.ts", "../cli/main.ts"]]), 1)
    assert.lengthOf(goingUp([["core/plugin/Plugin.ts", "../../sandbox/Isolate.ts"]]), 1)
    assert.lengthOf(goingUp([["sandbox/guest/Guest.ts", "../../core/workers/Workers.ts"]]), 1)
  })

  /** The libraries of each, which nothing else imports. */
  const libraries: Readonly<Record<string, ReadonlyArray<string>>> = {
    "dashboard": [
      "@tanstack/react-query",
      "@tanstack/react-router",
      "@tanstack/react-table",
      "@tanstack/react-virtual",
      "@vitejs/plugin-react",
      "eventsource-parser",
      "react",
      "react-dom",
      "uplot",
      "vite"
    ],
    "email": ["imapflow", "mailparser", "nodemailer"],
    "home-assistant": ["home-assistant-js-websocket"],
    "mqtt": ["mqtt"]
  }

  it("keeps the library of a plugin with it", () => {
    const names = Object.values(libraries).flat()
    assert.deepEqual(pairsOf(core).filter(([, specifier]) => names.includes(specifier)), [])
  })

  it("lets plugins import syris, Node and what is their own, and nothing else", () => {
    const wrong = pairsOf(sources("plugins").filter((file) => !isTest(file))).filter(([file, specifier]) => {
      if (/^syris(\/(records|testing|visible|words))?$/.test(specifier) || specifier.startsWith("node:")) return false
      const plugin = file.split(path.sep)[1] ?? ""
      const own = path.join("plugins", plugin)
      if (libraries[plugin]?.some((name) => specifier === name || specifier.startsWith(`${name}/`))) return false
      return !(specifier.startsWith(".") && path.join(path.dirname(file), specifier).startsWith(own + path.sep))
    })
    assert.deepEqual(wrong, [])
  })

  it("has no core that knows a plugin", () => {
    assert.deepEqual(pairsOf(core).filter(([, specifier]) => /(^|\/)plugins\//.test(specifier)), [])
  })

  it("has no file of 500 lines", () => {
    const long = [...core, ...sources("plugins")].filter((file) => !isTest(file)).map((file) =>
      [file, fs.readFileSync(path.join(root, file), "utf8").split("\n").length] as const
    )
    assert.deepEqual(long.filter(([, lines]) => lines > 500), [])
  })
})
