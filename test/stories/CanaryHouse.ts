/**
 * A host with every kind of part, whose operator has put the secrets of `Canary.ts` into its store: a mailbox, a house, a
 * broker, a webhook, a server of MCP, a model, and plugins that are careless with what they know.
 */
import { Effect, Redacted } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type Script, scriptedModel, type ScriptedModel } from "syris/testing"
import { hostile } from "../../core/mcp/testServers/servers.ts"
import { openStore } from "../../core/secrets/SecretsStore.ts"
import { type HomeAssistantServer, startHomeAssistant } from "../servers/HomeAssistantServer.ts"
import { type MailServer, startMailServer } from "../servers/MailServer.ts"
import { type Mosquitto, startMosquitto } from "../servers/Mosquitto.ts"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { secrets, wicked } from "./Canary.ts"
import { type HostProcess, type Place, startHost } from "./HostProcess.ts"
import { openPostBox, type PostBox } from "./PostBox.ts"

export const [ada, syris] = ["ada@home.test", "syris@home.test"]
export const token = "the-long-lived-token-of-the-house"
export const hookKey = "the key that the bell signs with"

const config = (at: {
  readonly box: PostBox
  readonly broker: Mosquitto
  readonly house: HomeAssistantServer
  readonly mail: MailServer
  readonly model: ScriptedModel
  readonly server: object
  readonly say: string
}): string => {
  const password = JSON.stringify(at.mail.user("syris").password)
  const door = ({ port }: { readonly port: number }): string =>
    `{ host: "127.0.0.1", port: ${port}, secure: false, user: "${syris}", password: ${password} }`
  return `
import { defineConfig } from "syris"
import email from "syris/plugins/email"
import homeAssistant from "syris/plugins/home-assistant"
import mqtt from "syris/plugins/mqtt"
import webhook from "syris/plugins/webhook"
import * as fs from "node:fs"
import { careless, drip } from ${JSON.stringify(path.join(path.dirname(at.say), "CanaryPlugins.ts"))}

export default defineConfig({
  timezone: "UTC",
  autonomy: "A3",
  safety: { notificationsPerHour: 1000, antiflapCooldown: "1 second" },
  llm: { provider: "openai", baseURL: "${at.model.url}", model: "m" },
  mcp: { files: {
    ...${JSON.stringify(at.server)}, env: { WHISPER: JSON.parse(fs.readFileSync(${
    JSON.stringify(at.say)
  }, "utf8")).wicked }
  } },
  plugins: [
    careless(), drip(),
    homeAssistant({ url: "${at.house.url}", token: "${token}", events: ["state_changed", "syris_message", "strange"] }),
    email({
      address: "${syris}", since: "2020-01-01", imap: ${door(at.mail.imap)}, smtp: ${door(at.mail.smtp)},
      trustedSenders: ["${ada}"], trustedServer: "${at.mail.authservId}"
    }),
    mqtt({ url: "${at.broker.url}", topics: ["home/#"], text: ["words/#"] }),
    webhook({
      name: "bell", style: "standard", secret: "whsec_${Buffer.from(hookKey).toString("base64")}", url: "${at.box.url}"
    })
  ]
})
`
}

/** What the model says: it calls with the secrets in its hands, and tells them. */
const tellsAll: Script = ({ body }) =>
  (body.messages ?? []).some(({ role }) => role === "tool")
    ? { text: wicked }
    : { text: wicked, call: { tool: "careless.look", input: { how: "as told", text: wicked } } }

export interface CanaryHouse {
  readonly home: string
  readonly place: Place
  readonly host: HostProcess
  readonly database: OwnDatabase
  readonly mail: MailServer
  readonly ha: HomeAssistantServer
  readonly broker: Mosquitto
  readonly model: ScriptedModel
  readonly box: PostBox
  readonly post: (
    at: string,
    body?: unknown,
    method?: string
  ) => Promise<{ readonly status: number; readonly body: any }>
  readonly pending: () => Promise<ReadonlyArray<any>>
  readonly close: () => Promise<void>
}

export const openCanaryHouse = async (): Promise<CanaryHouse> => {
  const home = folder("canary")
  const planted = fs.mkdtempSync(path.join(os.tmpdir(), "syris-planted-"))
  const ends: Array<() => unknown> = [() => [home, planted].forEach((one) => fs.rmSync(one, { recursive: true }))]
  const close = async (): Promise<void> => {
    for (const end of ends.toReversed()) await end()
  }
  const begun = async <A>(made: Promise<A>, end: (made: A) => unknown): Promise<A> => {
    const one = await made
    ends.push(() => end(one))
    return one
  }
  try {
    const store = openStore(home)
    for (const [key, value] of Object.entries(secrets)) {
      await Effect.runPromise(store.set("vault", key, Redacted.make(value)))
    }
    const say = path.join(planted, "say.json")
    fs.writeFileSync(say, JSON.stringify({ ...secrets, wicked }))
    fs.copyFileSync(path.join(import.meta.dirname, "CanaryPlugins.ts"), path.join(planted, "CanaryPlugins.ts"))
    const tools = path.join(planted, "tools.json")
    fs.writeFileSync(
      tools,
      JSON.stringify(["echo", "other"].map((name) => ({
        name,
        description: name === "echo" ? "Says it again." : `${name} ${secrets.plain}`,
        inputSchema: {
          type: "object",
          properties: { text: { type: "string", ...(name === "echo" ? {} : { description: secrets.odd }) } }
        }
      })))
    )
    const [box, broker, mail, model, ha, database] = await Promise.all([
      begun(openPostBox(true), (one) => one.close()),
      begun(startMosquitto(), (one) => one.close()),
      begun(startMailServer({ users: [ada, syris] }), (one) => one.close()),
      begun(scriptedModel(Array.from({ length: 1_000 }, () => tellsAll)), (one) => one.close()),
      begun(startHomeAssistant({ token }), (one) => one.stop()),
      begun(makeDatabase(), (one) => one.close())
    ])
    const server = hostile("whisper", `--tools=${tools}`)
    const file = path.join(home, "syris.config.ts")
    fs.writeFileSync(file, config({ box, broker, house: ha, mail, model, say, server }))
    const place: Place = { home, config: file, databaseUrl: database.url }
    const host = await begun(startHost(place), (one) => one.kill())
    const post: CanaryHouse["post"] = async (at, body = {}, method = "POST") => {
      const response = await host.request(at, { method, body: typeof body === "string" ? body : JSON.stringify(body) })
      const text = await response.text()
      return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text }
    }
    await until("all of it to be connected", async () => {
      const { degraded } = await host.get("/health")
      if (ha.connections() === 0 || degraded.some((one: string) => !/careless|^alarm/.test(one))) {
        throw new Error(JSON.stringify(degraded))
      }
      return true
    })
    return {
      home,
      place,
      host,
      database,
      mail,
      ha,
      broker,
      model,
      box,
      post,
      pending: async () => (await host.get("/approvals?status=pending&limit=500")).items,
      close
    }
  } catch (error) {
    await close()
    throw error
  }
}
