/**
 * Real files, in a folder outside the repository, loaded by Node itself as the host does it: each mistake is one sentence.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll } from "vitest"
import { newPlugin } from "../../bin/new-plugin.ts"

const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "syris-config-")))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

/** Loads each file in one child process: configuration, then plugins. */
const driver = `
  import { Effect, Layer } from "effect"
  import { loadConfiguration } from "./core/plugin/ConfigLoader.ts"
  import * as PluginHost from "./core/plugin/PluginHost.ts"
  import { Registry } from "./core/plugin/Registry.ts"
  import { Settings } from "./core/plugin/Settings.ts"
  import { Environment } from "./core/database/Environment.ts"
  import { Redactor } from "./core/secrets/Redactor.ts"
  import { SecretsStore } from "./core/secrets/SecretsStore.ts"
  const answers = []
  for (const file of JSON.parse(process.env.FILES)) {
    const environment = Layer.succeed(Environment, { home: process.env.HOME_FOLDER, config: file })
    const exit = await Effect.runPromise(Effect.gen(function*() {
      const settings = yield* loadConfiguration(file)
      const layer = PluginHost.layer.pipe(
        Layer.provide(Layer.succeed(Settings, settings)),
        Layer.provide(Redactor.layer), Layer.provide(SecretsStore.layer), Layer.provide(environment)
      )
      const registry = yield* Registry.use(Effect.succeed).pipe(Effect.provide(layer))
      return { ok: registry.tools().map((tool) => tool.definition.name), warnings: settings.warnings }
    }).pipe(
      Effect.catchTags({
        ConfigError: (error) => Effect.succeed({ detail: error.detail, more: error.more }),
        PluginError: (error) => Effect.succeed({ detail: error.detail, more: error.more })
      }),
      Effect.catchDefect((defect) => Effect.succeed({ detail: "DEFECT " + (defect?.stack ?? defect), more: [] })),
      Effect.scoped
    ))
    answers.push(exit)
  }
  process.stdout.write("ANSWERS" + JSON.stringify(answers))
`

interface Answer {
  readonly detail?: string
  readonly more?: ReadonlyArray<string>
  readonly ok?: ReadonlyArray<string>
  readonly warnings?: ReadonlyArray<string>
}

const load = (files: ReadonlyArray<string>): ReadonlyArray<Answer> => {
  const output = execFileSync(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    "--input-type=module",
    "-e",
    driver
  ], {
    cwd: path.resolve(import.meta.dirname, "../.."),
    env: { PATH: process.env["PATH"], FILES: JSON.stringify(files), HOME_FOLDER: path.join(folder, "home") },
    encoding: "utf8"
  })
  return JSON.parse(output.slice(output.indexOf("ANSWERS") + 7)) as ReadonlyArray<Answer>
}

const plugin = (body: string, options = "{}") =>
  `import { definePlugin, defineTool, secret, SecretOption, Schema } from "syris"
const tool = { name: "t.run", description: "d", input: Schema.Struct({}), effect: "write", risk: "low", scopes: [], run: () => 1 }
const coffee = definePlugin({ name: "coffee", ${body} })
export default { plugins: [coffee(${options})] }`
const parts = (body: string) => plugin(`setup: () => (${body})`)
const options = "options: Schema.Struct({ host: Schema.String, port: Schema.optionalKey(Schema.Int), " +
  "key: Schema.optionalKey(SecretOption) }), setup: () => ({})"

/** File name, its text, and the sentence; `FILE` stands for its path. */
const mistakes: ReadonlyArray<readonly [name: string, text: string, sentence: string]> = [
  ["missing.ts", "", "There is no configuration at FILE: write one, or set SYRIS_CONFIG to where it is."],
  ["wrong.json", "{}", "FILE: a configuration is a .ts, .mts, .js or .mjs file."],
  ["syntax.ts", "export default {\n  a: 1,\n  b: = 2\n}\n", "FILE:3: syntax error: Expression expected."],
  ["syntax.mjs", "export default {\n  a: 1,\n  b: = 2\n}\n", "FILE:3: syntax error: Unexpected token '='."],
  [
    "enum.ts",
    "export enum A { B }\n",
    "FILE:1: TypeScript enum is not supported in strip-only mode: write it without (Node only removes types)."
  ],
  [
    "throws.ts",
    "const a: number = 1\n\nthrow new Error(\"boom \" + a)\nexport {}",
    "FILE:3: it throws while it is loaded: boom 1."
  ],
  [
    "file.ts",
    "import x from \"./not-there.ts\"\nexport default x",
    "FILE: it imports not-there.ts, and there is no such file."
  ],
  [
    "package.ts",
    "import x from \"not-a-package\"\nexport default x",
    "FILE: the package not-a-package is not installed: run npm install not-a-package there, or remove the import."
  ],
  [
    "export.ts",
    "import { definePlugn } from \"syris\"\nexport default definePlugn",
    "FILE:1: The requested module 'syris' does not provide an export named 'definePlugn'."
  ],
  ["empty.ts", "export const a = 1", "FILE has no default export: end it with `export default defineConfig({ … })`."],
  ["list.ts", "export default []", "FILE: the settings must be an object."],
  ["unknown.ts", "export default { safty: {} }", "FILE: there is no setting \"safty\"; did you mean \"safety\"?"],
  [
    "nested.ts",
    "export default { safety: { blastradius: 3 } }",
    "FILE: there is no setting \"safety.blastradius\"; did you mean \"blastRadius\"?"
  ],
  [
    "strange.ts",
    "export default { zzzzzzzz: 1 }",
    "FILE: there is no setting \"zzzzzzzz\"; known are timezone, autonomy, plugins, safety, tools, llm, mcp, rules, policy."
  ],
  [
    "zone.ts",
    "export default { timezone: \"Europe/Londn\" }",
    "FILE: the setting \"timezone\" must be an IANA time zone, such as \"Europe/London\"."
  ],
  [
    "offset.ts",
    "export default { timezone: \"+02:00\" }",
    "FILE: the setting \"timezone\" must be an IANA time zone, such as \"Europe/London\"."
  ],
  [
    "level.ts",
    "export default { autonomy: \"A5\" }",
    "FILE: the setting \"autonomy\" must be \"A0\" or \"A1\" or \"A2\" or \"A3\" or \"A4\"."
  ],
  ["type.ts", "export default { timezone: 3 }", "FILE: the setting \"timezone\" must be a string."],
  [
    "ttl.ts",
    "export default { safety: { approvalTtl: \"soon\" } }",
    "FILE: the setting \"safety.approvalTtl\" must be a duration of 1 second to 7 days, such as \"15 minutes\"."
  ],
  [
    "ttl-long.ts",
    "export default { safety: { approvalTtl: \"8 days\" } }",
    "FILE: the setting \"safety.approvalTtl\" must be a duration of 1 second to 7 days, such as \"15 minutes\"."
  ],
  [
    "antiflap.ts",
    "export default { safety: { antiflapCooldown: -1 } }",
    "FILE: the setting \"safety.antiflapCooldown\" must be a duration of at most 1 day, such as \"30 seconds\", or \"0 seconds\" for none."
  ],
  [
    "storm.ts",
    "export default { safety: { notificationsPerHour: 1001 } }",
    "FILE: the setting \"safety.notificationsPerHour\" must be a whole number from 1 to 1000."
  ],
  [
    "blast.ts",
    "export default { safety: { blastRadius: 0 } }",
    "FILE: the setting \"safety.blastRadius\" must be a whole number above zero."
  ],
  [
    "scope.ts",
    "export default { safety: { scopes: { chat: [\"Kitchen\"] } } }",
    "FILE: the setting \"safety.scopes.chat[0]\" must be a scope such as \"kitchen.control\", \"kitchen.*\" or \"*\"."
  ],
  [
    "quiet.ts",
    "export default { safety: { quietHours: [{ start: \"25:00\", end: \"07:00\" }] } }",
    "FILE: the setting \"safety.quietHours[0].start\" must be a time such as \"22:00\"."
  ],
  [
    "quiet-missing.ts",
    "export default { safety: { quietHours: [{ start: \"22:00\" }] } }",
    "FILE: the setting \"safety.quietHours[0].end\" is missing."
  ],
  [
    "policy-tool.ts",
    "export default { policy: [{ tool: \"email\", risk: \"low\" }] }",
    "FILE: the setting \"policy[0].tool\" must be a tool such as \"email.send\", or all of a prefix such as \"email.*\"."
  ],
  [
    "policy-risk.ts",
    "export default { policy: [{ tool: \"email.send\" }] }",
    "FILE: the setting \"policy[0].risk\" is missing."
  ],
  [
    "policy-key.ts",
    "export default { policy: [{ tool: \"email.send\", risk: \"low\", wen: {} }] }",
    "FILE: there is no setting \"policy[0].wen\"; did you mean \"when\"?"
  ],
  [
    "policy-op.ts",
    "export default { policy: [{ tool: \"a.b\", risk: \"low\" }, { tool: \"email.send\", risk: \"low\", when: { all: [{ path: \"input.to\", op: \"endswith\", value: \"x\" }] } }] }",
    "FILE: the setting \"policy[1].when.all[0].op\" must be one of eq, neq, in, not_in, contains, not_contains, starts_with, ends_with, matches, regex, lt, lte, gt, gte, exists, within, changed; did you mean \"ends_with\"?"
  ],
  [
    "policy-linear.ts",
    "export default { policy: [{ tool: \"email.send\", risk: \"low\", when: { path: \"input.to\", op: \"regex\", value: \"(?=x)\" } }] }",
    "FILE: the setting \"policy[0].when.value\" can't be matched in linear time (invalid or unsupported Perl syntax: `(?=`): write it as RE2 has it, without look-around and back references."
  ],
  ["plugins.ts", "export default { plugins: {} }", "FILE: the setting \"plugins\" must be a list."],
  [
    "entry.ts",
    "export default { plugins: [null, { name: \"x\" }] }",
    "FILE: plugins[1] is not a plugin: list what a plugin's factory gives back, as in timers()."
  ],
  [
    "function.ts",
    "import noop from \"syris/plugins/noop\"\nexport default { plugins: [noop] }",
    "FILE: plugins[0] is a function: call it, as in timers()."
  ],
  [
    "promise.ts",
    "export default { plugins: [Promise.resolve(1)] }",
    "FILE: plugins[0] is a Promise: write await before it."
  ],
  [
    "isolate.ts",
    "import { isolate } from \"syris\"\nexport default { plugins: [isolate(\"./x/index.ts\")] }",
    "FILE: plugins[0] is isolate(\"./x/index.ts\"), and there is no such file: FOLDER/x/index.ts."
  ],
  [
    "tool-setting.ts",
    "import noop from \"syris/plugins/noop\"\nexport default { plugins: [noop()], tools: { \"noop.rn\": { concurrency: 1 } } }",
    "FILE: there is no tool for \"tools[\\\"noop.rn\\\"]\"; did you mean \"noop.run\"?"
  ],
  [
    "option-unknown.ts",
    plugin(options, "{ host: \"a\", prot: 1 }"),
    "Plugin coffee, options: there is no option \"prot\"; did you mean \"port\"?"
  ],
  ["option-missing.ts", plugin(options, "{}"), "Plugin coffee, options: the option \"host\" is missing."],
  ["option-type.ts", plugin(options, "{ host: 3 }"), "Plugin coffee, options: the option \"host\" must be a string."],
  ["option-none.ts", plugin("setup: () => ({})", "{ a: 1 }"), "Plugin coffee, options: there is no option \"a\"."],
  [
    "secret.ts",
    plugin(options, "{ host: \"a\", key: secret(\"coffee\", \"key\") }"),
    "Plugin coffee, secrets: The secret coffee key is missing. Set it with: syris secrets set coffee key"
  ],
  [
    "secret-setup.ts",
    plugin("setup: ({ secret }) => { secret(\"a\", \"b\"); return {} }"),
    "Plugin coffee, secrets: The secret a b is missing. Set it with: syris secrets set a b"
  ],
  ["setup-throws.ts", plugin("setup: () => { throw new Error(\"no coffee\") }"), "Plugin coffee, setup: no coffee."],
  [
    "setup-rejects.ts",
    plugin("setup: async () => { throw new Error(\"no coffee\") }"),
    "Plugin coffee, setup: no coffee."
  ],
  [
    "setup-nothing.ts",
    plugin("setup: () => {}"),
    "Plugin coffee, setup: it must give back an object, such as { tools: [ … ] }."
  ],
  [
    "spec.ts",
    plugin("setUp: () => ({})"),
    "Plugin coffee, options: there is no property \"setUp\"; did you mean \"setup\"?"
  ],
  [
    "name.ts",
    plugin("setup: () => ({})").replace("\"coffee\"", "\"Coffee\""),
    "Plugin Coffee, options: its name must be lower-case letters, digits, _ and -, and begin with a letter."
  ],
  ["part.ts", parts("{ tool: [] }"), "Plugin coffee, parts: there is no part \"tool\"; did you mean \"tools\"?"],
  ["part-list.ts", parts("{ tools: tool }"), "Plugin coffee, parts: its tools must be a list."],
  [
    "tool-name.ts",
    parts("{ tools: [{ ...tool, name: \"Brew\" }] }"),
    "Plugin coffee, tools: a tool is named \"Brew\", but a name has parts of lower-case letters, digits, _ and -, joined by dots, as in coffee.brew."
  ],
  [
    "tool-key.ts",
    parts("{ tools: [{ ...tool, scope: [] }] }"),
    "Plugin coffee, tools: tool t.run: there is no property \"scope\"; did you mean \"scopes\"?"
  ],
  [
    "tool-effect.ts",
    parts("{ tools: [{ ...tool, effect: \"wipe\" }] }"),
    "Plugin coffee, tools: tool t.run needs effect: \"read\", \"write\", \"irreversible\"."
  ],
  [
    "tool-input.ts",
    parts("{ tools: [{ ...tool, input: Schema.String }] }"),
    "Plugin coffee, tools: the input of tool t.run must be an object: use Schema.Struct."
  ],
  [
    "tool-probe.ts",
    parts("{ tools: [{ ...tool, guarantee: \"probe\" }] }"),
    "Plugin coffee, tools: tool t.run has guarantee \"probe\" and no probe function."
  ],
  [
    "tool-irreversible.ts",
    parts("{ tools: [{ ...tool, effect: \"irreversible\", guarantee: \"transactional\" }] }"),
    "Plugin coffee, tools: tool t.run can't be transactional and irreversible: a transaction can be taken back."
  ],
  [
    "tool-concurrency.ts",
    parts("{ tools: [{ ...tool, concurrency: 0 }] }"),
    "Plugin coffee, tools: tool t.run needs a concurrency of 1 or more, a whole number."
  ],
  [
    "tool-timeout.ts",
    parts("{ tools: [{ ...tool, timeout: \"2 hours\" }] }"),
    "Plugin coffee, tools: tool t.run needs a timeout above zero and of at most 1 hour, such as \"30 seconds\"."
  ],
  ["tool-twice.ts", parts("{ tools: [tool, tool] }"), "Plugin coffee, tools: it has the tool t.run twice."],
  [
    "intent-tool.ts",
    parts("{ tools: [tool], intents: [{ name: \"i\", patterns: [/x/], tool: \"t.rnu\" }] }"),
    "Plugin coffee, intents: intent i: there is no tool \"t.rnu\"; did you mean \"t.run\"?"
  ],
  [
    "intent-pattern.ts",
    parts("{ tools: [tool], intents: [{ name: \"i\", patterns: [\"x\"], tool: \"t.run\" }] }"),
    "Plugin coffee, intents: intent i has a pattern that is not a regular expression: write /…/."
  ],
  [
    "intent-linear.ts",
    parts("{ tools: [tool], intents: [{ name: \"i\", patterns: [/(a)\\1/], tool: \"t.run\" }] }"),
    "Plugin coffee, intents: intent i: the pattern /(a)\\1/ can't be matched in linear time (invalid escape sequence: `\\1`): write it without look-around and back references."
  ],
  [
    "channel-trust.ts",
    parts("{ channels: [{ name: \"c\" }] }"),
    "Plugin coffee, channels: channel c needs trust: \"operator\", \"trusted\" or \"untrusted\"."
  ],
  [
    "plugin-twice.ts",
    "import noop from \"syris/plugins/noop\"\nexport default { plugins: [noop(), noop()] }",
    "Plugin noop, options: it is listed twice: remove one entry."
  ],
  [
    "hook-twice.ts",
    "import webhook from \"syris/plugins/webhook\"\nexport default { plugins: [webhook({ name: \"a\" }), webhook({ name: \"a\" })] }",
    "Plugin webhook.a, options: it is listed twice: give one entry another name."
  ],
  [
    "clash.ts",
    "import noop from \"syris/plugins/noop\"\nimport { definePlugin, Schema } from \"syris\"\nconst b = definePlugin({ name: \"b\", setup: () => ({ tools: [{ name: \"noop.run\", description: \"d\", input: Schema.Struct({}), effect: \"read\", risk: \"low\", scopes: [], run: () => 1 }] }) })\nexport default { plugins: [noop(), b()] }",
    "Plugin b, tools: the tool noop.run is provided by plugin noop already: remove one of the two."
  ]
]

const fine: ReadonlyArray<readonly [name: string, text: string, tools: ReadonlyArray<string>]> = [
  ["nothing.ts", "export default {}", []],
  ["falsy.mjs", "export default { plugins: [null, false, undefined, 0, \"\"] }", []],
  [
    "built-in.ts",
    "import { defineConfig } from \"syris\"\nimport timers from \"syris/plugins/timers\"\nimport noop from \"syris/plugins/noop\"\nimport webhook from \"syris/plugins/webhook\"\nexport default defineConfig({ timezone: \"Europe/London\", plugins: [timers(), noop(), webhook(), webhook({ name: \"github\" })], tools: { \"noop.run\": { concurrency: 2, timeout: \"5 seconds\" } } })",
    ["timer.set", "noop.run"]
  ],
  [
    "effect.ts",
    parts("{ tools: [tool], channels: [{ name: \"c\", trust: \"trusted\", send: { ...tool, name: undefined } }] }")
      .replace("(coffee", "(coffee").replace("setup: () =>", "setup: async () =>"),
    ["t.run", "c.send"]
  ],
  ["new.ts", "import fresh from \"./plugins/fresh-one/index.ts\"\nexport default { plugins: [fresh()] }", [
    "fresh-one.hello"
  ]],
  [
    "safe.ts",
    "import { defineConfig } from \"syris\"\nexport default defineConfig({ policy: [{ tool: \"email.send\", when: { all: [{ path: \"input.to\", op: \"ends_with\", value: \"@example.org\" }] }, risk: \"low\", reason: \"family\", examples: [{ input: {}, matches: false }] }, { tool: \"lamp.*\", risk: \"medium\" }], safety: { approvalTtl: \"15 minutes\", antiflapCooldown: \"0 seconds\", notificationsPerHour: 1000, blastRadius: 5, quietHours: [{ start: \"22:00\", end: \"07:00\", timezone: \"Europe/London\", days: [\"mon\"] }] } })",
    []
  ],
  [
    "later.ts",
    "export default { rules: [], llm: { provider: \"openai\", model: \"x\", apiKey: \"sk-x\", fallback: [\"y\"] }, mcp: {} }",
    []
  ]
]

describe("ConfigLoader", () => {
  newPlugin(folder, "fresh-one")
  for (const [name, text] of [...mistakes, ...fine]) {
    if (name !== "missing.ts") fs.writeFileSync(path.join(folder, name), text)
  }
  const cases = [...mistakes, ...fine].map(([name]) => path.join(folder, name))
  const answers = load(cases)

  it.each(mistakes.map(([name, , sentence], i) => [name, sentence, i] as const))("%s", (name, sentence, i) => {
    const answer = answers[i]!
    assert.strictEqual(answer.detail, sentence.replaceAll("FILE", path.join(folder, name)).replaceAll("FOLDER", folder))
    assert.deepStrictEqual(answer.more, [])
  })

  it.each(fine.map(([name, , tools], i) => [name, tools, i + mistakes.length] as const))(
    "%s is fine",
    (_, tools, i) => {
      assert.strictEqual(answers[i]!.detail, undefined)
      assert.deepStrictEqual(answers[i]!.ok, tools)
    }
  )

  it("ignores nothing of policies and safety", () => {
    assert.deepStrictEqual(answers.at(-2)!.warnings, [])
  })

  it("says what it ignores", () => {
    const file = path.join(folder, "later.ts")
    assert.deepStrictEqual(answers.at(-1)!.warnings, [
      `${file}: the setting "llm.apiKey" is written out in the configuration. Keep it in the secrets store instead: ` +
      "syris secrets set openai key, and apiKey: secret(\"openai\", \"key\")."
    ])
  })
})
