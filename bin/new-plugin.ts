/**
 * `npm run new:plugin NAME`: writes a plugin that works, with its README and a test that passes. Overwrites nothing.
 */
import * as fs from "node:fs"
import * as path from "node:path"

/** A sentence for the person at the keyboard. */
export class NewPluginError extends Error {}

const reserved = new Set(["syris", "core", "plugins", "isolate", "secret", "schema", "effect"])

/** Writes `plugins/<name>` under `root`; answers the files. */
export const newPlugin = (root: string, name: string | undefined): ReadonlyArray<string> => {
  if (name === undefined || name === "") throw new NewPluginError("Name the plugin: npm run new:plugin coffee")
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(name) || name.endsWith("-")) {
    throw new NewPluginError(
      `"${name}" can't be the name: use lower-case letters, digits and -, beginning with a letter, at most 40.`
    )
  }
  if (reserved.has(name)) throw new NewPluginError(`"${name}" is taken by SYRIS itself: choose another name.`)
  const folder = path.join(root, "plugins", name)
  try {
    fs.mkdirSync(path.dirname(folder), { recursive: true })
    fs.mkdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    throw new NewPluginError(`${folder} exists already: choose another name, or remove it first.`)
  }
  return Object.entries(files(name)).map(([file, text]) => {
    fs.writeFileSync(path.join(folder, file), text, { flag: "wx" })
    return path.join(folder, file)
  })
}

/** `coffee-machine` as a variable: `coffeeMachine`. */
export const variable = (name: string): string => {
  const joined = name.replace(/-+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  return keywords.has(joined) ? `${joined}Plugin` : joined
}

const keywords = new Set(
  ("await break case catch class const continue debugger default delete do else enum export extends false finally for " +
    "function if implements import in instanceof interface let new null package private protected public return static " +
    "super switch this throw true try typeof var void while with yield eval arguments").split(" ")
)

const files = (name: string): Record<string, string> => ({
  "index.ts": `/**
 * Says hello. Replace it with what ${name} does.
 */
import { definePlugin, defineTool, Schema } from "syris"

export const hello = defineTool({
  name: "${name}.hello",
  description: "Say hello to somebody.",
  input: Schema.Struct({ name: Schema.String }),
  output: Schema.Struct({ message: Schema.String }),
  effect: "read", // or "write", or "irreversible"
  risk: "low", // or "medium", "high", "critical"
  scopes: ["${name}"],
  preview: ({ name }) => \`would say hello to \${name}\`,
  run: ({ name }) => ({ message: \`Hello \${name}, this is ${name}.\` })
})

export const intents = [
  { name: "${name}.hello", patterns: [/${name} hello (?<name>.+)/], tool: "${name}.hello" }
]

export default definePlugin({
  name: "${name}",
  version: "0.1.0",
  // options: Schema.Struct({ host: Schema.String }),
  setup: () => ({ tools: [hello], intents })
})
`,
  "index.test.ts": `import { assert, describe, it } from "vitest"
import type { ToolContext } from "syris"
import ${variable(name)}, { hello, intents } from "./index.ts"

describe("${name}", () => {
  it("says hello", async () => {
    const ctx = {} as ToolContext // what the tool uses of it
    assert.deepStrictEqual(await hello.run({ name: "Sam" }, ctx), { message: "Hello Sam, this is ${name}." })
  })

  it("understands its sentence", () => {
    const groups = intents[0]?.patterns[0]?.exec("${name} hello Sam")?.groups
    assert.deepStrictEqual({ ...groups }, { name: "Sam" })
  })

  it("needs no options", () => {
    assert.deepStrictEqual(${variable(name)}().options, {})
  })
})
`,
  "README.md": `# ${name}

Says hello. No options.

\`\`\`ts
import ${variable(name)} from "./plugins/${name}/index.ts"

export default defineConfig({ plugins: [${variable(name)}()] })
\`\`\`

Say \`${name} hello Sam\`.
`
})

if (import.meta.main) {
  const root = path.resolve(import.meta.dirname, "..")
  const name = process.argv[2]
  try {
    const written = newPlugin(root, name)
    for (const file of written) console.log(`wrote ${path.relative(process.cwd(), file)}`)
    console.log(`
Add these two lines to syris.config.ts, the second to its plugins:

  import ${variable(name!)} from "./plugins/${name}/index.ts"
  ${variable(name!)}(),

Then run \`npm start\` and \`npm run syris send "${name} hello Sam"\`.`)
  } catch (error) {
    if (!(error instanceof NewPluginError)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
