import mqtt from "mqtt"
import { describe, expect, it } from "vitest"
import { until } from "../storms/Until.ts"
import { missing, startMosquitto } from "./Mosquitto.ts"
import { loudly } from "./ServerProcess.ts"

const lacking = missing()

describe.skipIf(lacking.length > 0)(`a broker of a test${loudly(lacking)}`, () => {
  it("carries messages both ways, for those who know a password", async () => {
    const broker = await startMosquitto({ users: { ada: "secret" } })
    try {
      const listening = await broker.listen("home/#")
      const client = await mqtt.connectAsync(broker.url, { username: "ada", password: "secret" })
      await client.publishAsync("home/light", "on", { qos: 1 })
      await broker.publish("home/door", "shut")
      await until("both", () => listening.heard().length === 2)
      expect(listening.heard().map(({ topic, payload }) => `${topic} ${payload}`)).toEqual([
        "home/light on",
        "home/door shut"
      ])
      await client.endAsync()
      await expect(mqtt.connectAsync(broker.url, { username: "ada", password: "wrong", reconnectPeriod: 0 }))
        .rejects.toThrow(/not authorized/i)
    } finally {
      await broker.close()
    }
  })

  it.each(["stop", "kill"] as const)("after %s, keeps a session and what waits in it", async (how) => {
    const broker = await startMosquitto()
    try {
      const session = { clientId: "host", clean: false, reconnectPeriod: 0 }
      const before = await mqtt.connectAsync(broker.url, session)
      await before.subscribeAsync("home/#", { qos: 1 })
      await before.endAsync()
      await broker.publish("home/light", "on")
      await broker.publish("home/state", "kept", { retain: true })
      await broker[how]()
      await broker.start()
      const heard: Array<string> = []
      const after = mqtt.connect(broker.url, session)
      after.on("message", (topic, payload) => heard.push(`${topic} ${payload.toString()}`))
      await until("what waited", () => heard.length === 2)
      expect(heard.toSorted()).toEqual(["home/light on", "home/state kept"])
      await after.endAsync()
    } finally {
      await broker.close()
    }
  })
})
