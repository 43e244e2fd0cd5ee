/**
 * A house whose every part has something to show: tools of each risk that write what they did into a file outside, a channel that
 * fails, watchers, jobs, a task in code. For tests of the page.
 */
import { definePlugin, defineTask, defineTool, type JobContext, Schema, ToolRefused, ToolUnknown } from "syris"
import * as fs from "node:fs"

const Options = Schema.Struct({
  /** Where each effect is a line. */
  outside: Schema.String,
  /**
   * A folder of texts that `house.hear` and others read; what fails says `well`, `cellar` and `ledger` of it, and a job how far it is
   * `photographs`, where they are there.
   */
  texts: Schema.String
})

const message = Schema.Struct({ message: Schema.String })
const Thing = Schema.Struct({ what: Schema.String, to: Schema.optionalKey(Schema.String) })
type Thing = typeof Thing.Type

const left = (texts: string, name: string, otherwise: string): string => {
  const file = `${texts}/${name}`
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : otherwise
}
const saying = (texts: string, name: string, otherwise: string): Error => new Error(left(texts, name, otherwise))

const never = (signal: AbortSignal) => new Promise<never>((_, reject) => signal.addEventListener("abort", reject))

const tools = ({ outside, texts }: typeof Options.Type) => {
  const note = (line: string): void => fs.appendFileSync(outside, `${line}\n`)
  const read = (name: string): string => fs.readFileSync(`${texts}/${name}`, "utf8")
  const does = (name: string, risk: "low" | "medium" | "high" | "critical", description: string) =>
    defineTool({
      name,
      description,
      input: Thing,
      output: message,
      effect: "write",
      risk,
      scopes: ["house"],
      preview: ({ to = "on", what }) =>
        what.startsWith("text:") ? read(what.slice(5)) : `What changes:\n- ${what}: as it is\n+ ${what}: ${to}`,
      run: ({ to = "on", what }: Thing) => {
        note(`${name} ${what} ${to}`)
        return { message: `${what} is ${to}.` }
      }
    })
  const looks = { effect: "read", risk: "low", scopes: ["house"] } as const
  return [
    does("lamp.set", "low", "Switch a lamp."),
    does("bill.pay", "medium", "Pay a bill."),
    does("door.open", "high", "Open a door."),
    does("water.heat", "critical", "Heat the water beyond what is safe."),
    defineTool({
      name: "house.look",
      description: "Look around.",
      input: Schema.Struct({}),
      output: message,
      ...looks,
      run: () => ({ message: "All is quiet." })
    }),
    // What it says is in a file: of anybody.
    defineTool({
      name: "house.hear",
      description: "Read what somebody has left.",
      input: Schema.Struct({ what: Schema.String }),
      ...looks,
      trust: "untrusted",
      run: ({ what }) => ({ said: read(what) })
    }),
    defineTool({
      name: "house.refuse",
      description: "Refuse, with the words of a file or its own.",
      input: Schema.Struct({ what: Schema.optionalKey(Schema.String) }),
      output: message,
      ...looks,
      run: ({ what }) => {
        throw new ToolRefused(what === undefined ? "The door is stuck: oil the hinges." : read(what))
      }
    }),
    // Files of every kind, some of which a browser would run.
    defineTool({
      name: "house.print",
      description: "Print what there is on paper.",
      input: Schema.Struct({}),
      output: message,
      ...looks,
      run: async (_, { artifact }) => {
        for (const { data, mediaType, name } of papers) await artifact(data, { name, mediaType })
        return { message: `${papers.length} papers.` }
      }
    }),
    defineTool({
      name: "parcel.send",
      description: "Send a parcel, and lose it on the way.",
      input: Thing,
      output: message,
      effect: "write",
      risk: "low",
      scopes: ["house"],
      run: ({ what }) => {
        note(`parcel.send ${what}`)
        throw new ToolUnknown("The line broke before the post office said anything.")
      }
    }),
    defineTool({
      name: "oven.bake",
      description: "Bake, for as long as the host lives.",
      input: Schema.Struct({}),
      output: message,
      effect: "write",
      risk: "low",
      scopes: ["house"],
      timeout: "1 hour",
      run: (_, { progress, signal }) => {
        progress({ percent: 40, message: "It rises." })
        return never(signal)
      }
    })
  ]
}

const script = `globalThis.printed = true; document.title = "printed"`
const papers: ReadonlyArray<{ readonly name: string; readonly mediaType: string; readonly data: string | Uint8Array }> =
  [
    { name: "diary.txt", mediaType: "text/plain", data: "All is quiet.\n" },
    { name: "letter.html", mediaType: "text/html", data: `<!doctype html><h1>A letter</h1><script>${script}</script>` },
    {
      name: "drawing.svg",
      mediaType: "image/svg+xml",
      data: `<svg xmlns="http://www.w3.org/2000/svg"><script>${script}</script></svg>`
    },
    {
      name: "stamp.png",
      mediaType: "image/png",
      data: Buffer.from(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "base64"
      )
    }
  ]

const endless = (texts: string) => async (_: unknown, { progress, signal }: JobContext): Promise<never> => {
  progress({ percent: 62, message: left(texts, "photographs", "31 of 50 photographs") })
  return never(signal)
}

export default definePlugin({
  name: "house",
  version: "1.4.0",
  options: Options,
  setup: ({ options }) => ({
    tools: tools(options),
    tasks: [
      defineTask({
        name: "evening",
        description: "Look around, and make it cosy.",
        input: Schema.Struct({}),
        run: async (_, { call }) => {
          await call("house.look", {})
          await call("lamp.set", { what: "sofa", to: "dim" })
          return { message: "It is cosy." }
        }
      })
    ],
    intents: [
      { name: "evening", task: "evening", patterns: [/make it cosy/] },
      { name: "lamp", tool: "lamp.set", patterns: [/lamp (?<what>\S+)/] },
      { name: "pay", tool: "bill.pay", patterns: [/pay (?<what>\S+)/] },
      { name: "door", tool: "door.open", patterns: [/open (?<what>\S+)/] },
      { name: "water", tool: "water.heat", patterns: [/heat (?<what>\S+)/] },
      { name: "look", tool: "house.look", patterns: [/look around/], input: () => ({}) },
      { name: "hear", tool: "house.hear", patterns: [/hear (?<what>\S+)/] },
      { name: "print", tool: "house.print", patterns: [/print it/], input: () => ({}) },
      { name: "refuse", tool: "house.refuse", patterns: [/refuse/, /refuse (?<what>\S+)/] },
      { name: "parcel", tool: "parcel.send", patterns: [/send (?<what>\S+)/] },
      { name: "bake", tool: "oven.bake", patterns: [/bake/], input: () => ({}) }
    ],
    channels: [
      { name: "porch", trust: "trusted" },
      { name: "letterbox", trust: "untrusted" },
      {
        name: "cellar",
        trust: "trusted",
        receive: ({ connected, signal }) => {
          // An empty text: its plug is in.
          if (left(options.texts, "cellar", "out") !== "") {
            throw saying(options.texts, "cellar", "The cellar does not answer: is its plug in?")
          }
          connected()
          return new Promise((resolve) => signal.addEventListener("abort", () => resolve()))
        }
      }
    ],
    watchers: [
      { name: "weather", interval: "10 minutes", tick: () => ({ degrees: 12 }) },
      {
        name: "well",
        interval: "1 second",
        alarmAfter: 2,
        tick: () => {
          throw saying(options.texts, "well", "The well can't be seen in the dark.")
        }
      }
    ],
    jobs: [
      {
        name: "photographs",
        description: "Sort the photographs.",
        input: Schema.Struct({}),
        maxAttempts: 2,
        run: endless(options.texts)
      },
      {
        name: "ledger",
        description: "Add up the ledger.",
        input: Schema.Struct({}),
        run: () => {
          throw saying(options.texts, "ledger", "Two pages of the ledger are missing.")
        }
      },
      { name: "count", description: "Count the cups.", input: Schema.Struct({}), run: () => ({ message: "12 cups" }) }
    ],
    rules: [{
      name: "somebody at the door",
      when: { path: "content.text", op: "contains", value: "bell" },
      then: [{ notify: { text: "Somebody is at the door: {{content.text}}" } }]
    }]
  })
})
