/** The house of `Furnished.ts`, put right again by its operator, as the README shows it. */
import { until } from "../storms/Until.ts"
import { type PageHouse, settled } from "./PageHouse.ts"

export const putRight = async (house: PageHouse): Promise<void> => {
  const { host, leave, post } = house
  const all = async (list: string): Promise<ReadonlyArray<any>> => (await host().get(list)).items
  leave("cellar", "")
  await Promise.all([
    post("/watchers/house.well", { enabled: false }, "PATCH"),
    post("/plugins/vane/grant"),
    post("/integrations/attic/tools/find/trust")
  ])
  for (const { tool_call_id } of await all("/tool-calls?status=unknown")) {
    await post(`/tool-calls/${tool_call_id}/settle`, { outcome: "happened", note: "I have looked." })
  }
  for (const { approval_id, tool } of await all("/approvals?status=pending")) {
    if (["noop.run", "lamp.set"].includes(tool)) await post(`/approvals/${approval_id}/deny`, { reason: "Not today." })
  }
  await until("the plugin to run anew", async () => {
    const { items } = await host().get("/plugins")
    return items.find(({ name }: any) => name === "vane")?.state === "running"
  })
  for (const { alarm_id } of await all("/alarms?status=open")) {
    await post(`/alarms/${alarm_id}/resolve`, { note: "It is mended." })
  }
  // What does not answer is tried again every 30 s at last.
  await until("the host to be well", async () => {
    const { degraded } = await host().get("/health")
    return degraded.length === 0
  }, 90_000)
  for (const line of ["look around", "set a timer for 10 minutes", "lamp hallway"]) await settled(house, line)
}
