/**
 * Each screen of the operator's page, with something on it: light, dark and as wide as a phone. A person can use it with a
 * keyboard and a screen reader as far as axe-core can tell, nothing of it is wider than the phone, and no error is in the
 * console. The pictures are in `dist/screenshots/`.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { loudly } from "../servers/ServerProcess.ts"
import { violationsOf } from "./axe.ts"
import { desktop, missing, phone, startBrowser, type TestBrowser, type Visit } from "./Browser.ts"
import { furnish, manyRows } from "./Furnished.ts"
import { putRight } from "./GoodDay.ts"
import { signIn } from "./Login.ts"
import { pageHouse, type PageHouse } from "./PageHouse.ts"
import { goOn, isWhole } from "./Screens.ts"
import { shoot } from "./Shots.ts"

const lacking = missing()

describe.skipIf(lacking.length > 0)(`the screens of the operator's page${loudly(lacking)}`, () => {
  let browser: TestBrowser
  let house: PageHouse
  let visit: Visit

  beforeAll(async () => {
    ;[browser, house] = await Promise.all([startBrowser(), pageHouse()])
    await furnish(house)
    await manyRows(house, 5_000)
    visit = await browser.visit({ origin: house.origin })
    await signIn(visit.page, house.host())
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await house?.end()
  })

  const itemOf = async (list: string, field: string, value: string): Promise<any> => {
    const { items } = await house.host().get(list)
    const found = items.find((one: any) => one[field] === value)
    assert.isDefined(found, `${value} is in ${list}`)
    return found
  }
  const traceOf = async (text: string): Promise<string> => {
    const { items } = await house.host().get("/events?channel=chat&limit=500")
    return items.find((event: any) => event.content.text === text).correlation.trace_id
  }

  const screens: ReadonlyArray<readonly [string, string | RegExp, () => string | Promise<string>]> = [
    ["Now", "Now", () => "/"],
    ["Approvals", "Approvals", () => "/approvals"],
    ["Chat", "Chat", () => "/chat"],
    ["Activity", "Activity", () => "/activity"],
    ["Tasks", "Tasks", () => "/tasks"],
    ["Schedules", "Schedules", () => "/schedules"],
    ["Rules", "Rules", () => "/rules"],
    ["Watchers", "Watchers", () => "/watchers"],
    ["Integrations", "Integrations", () => "/integrations"],
    ["Jobs", "Jobs", () => "/jobs"],
    ["Plugins", "Plugins", () => "/plugins"],
    ["Memory", "Memory", () => "/memory"],
    ["Costs", "Costs", () => "/costs"],
    ["Settings", "Settings", () => "/settings"],
    ["a trace", /\S/, async () => `/trace/${await traceOf("what is going on in the house?")}`],
    ["a task", /\S/, async () => `/tasks/${(await itemOf("/tasks?limit=500", "name", "Evening lights")).task_id}`],
    ["a rule", /\S/, async () => `/rules/${(await itemOf("/rules", "name", "parcels")).rule_id}`],
    ["a schedule", /\S/, async () => `/schedules/${(await itemOf("/schedules", "name", "Pulse")).schedule_id}`],
    [
      "an approval",
      /\S/,
      async () => `/approvals/${(await itemOf("/approvals?status=pending", "tool", "door.open")).approval_id}`
    ]
  ]

  it.each(screens)("%s", { timeout: 60_000 }, async (name, heading, at) => {
    const { page } = visit
    const file = name.toLowerCase().replace(/^an? /, "")
    const wrong: Array<string> = []
    const look = async (variant: string, only?: string) => {
      await shoot(page, file, variant)
      wrong.push(...(await violationsOf(page, only)).map((violation) => `${variant}: ${violation}`))
    }
    await page.emulateMedia({ colorScheme: "light" })
    await page.setViewportSize(desktop)
    const address = `${house.origin}/plugins/dashboard${await at()}`
    // The page goes on by itself, as after a click on a link, wherever a heading tells the one screen from the other.
    if (name !== "Now" && typeof heading === "string") {
      await goOn(page, address)
    } else await page.goto(address)
    await page.getByRole("heading", { level: 1, name: heading }).waitFor()
    await isWhole(page)
    await look("light")
    await page.emulateMedia({ colorScheme: "dark" })
    await look("dark", "color-contrast")
    await page.emulateMedia({ colorScheme: "light" })
    await page.setViewportSize(phone)
    await look("phone")
    const wider = Number(await page.evaluate("document.scrollingElement.scrollWidth - innerWidth"))
    if (wider > 0) wrong.push(`It is ${wider} pixels wider than a phone.`)
    assert.deepEqual([...wrong, ...visit.faults()], [])
  })

  it("on a phone: the menu opens, and a finger finds its way", async () => {
    const onPhone = await browser.visit({
      origin: house.origin,
      phone: true,
      state: await visit.context.storageState()
    })
    const { page } = onPhone
    await page.goto(`${house.origin}/plugins/dashboard/`)
    await isWhole(page)
    await page.getByRole("button", { name: "Menu" }).tap()
    await shoot(page, "menu", "phone")
    // No other picture has the cellar: it may be tried again from now on, which takes its time.
    house.leave("cellar", "")
    await page.getByRole("link", { name: "Tasks" }).tap()
    await page.getByRole("heading", { level: 1, name: "Tasks" }).waitFor()
    await onPhone.end()
  })

  it("the way from screen to screen, by the keyboard alone", async () => {
    const { page } = visit
    await page.setViewportSize(desktop)
    await page.goto(`${house.origin}/plugins/dashboard/`)
    await isWhole(page)
    const link = (name: string) => page.getByRole("navigation").getByRole("link", { name: new RegExp(`^${name}`) })
    // First from the top of the page; then from the heading that got the focus, backwards into the menu.
    for (const [name, key] of [["Approvals", "Tab"], ["Chat", "Shift+Tab"], ["Activity", "Shift+Tab"]] as const) {
      for (let i = 0; i < 40 && await link(name).evaluate((one) => one !== one.ownerDocument.activeElement); i++) {
        await page.keyboard.press(key)
      }
      assert.isTrue(await link(name).evaluate((one) => one.matches(":focus-visible")), `${name} shows its focus`)
      await page.keyboard.press("Enter")
      await page.getByRole("heading", { level: 1, name }).waitFor()
    }
    await page.goBack()
    await page.getByRole("heading", { level: 1, name: "Chat" }).waitFor()
  })

  it("a house put right, as the README shows it", { timeout: 150_000 }, async () => {
    await putRight(house)
    const { page } = visit
    await page.setViewportSize({ width: 1280, height: 1340 })
    await page.goto(`${house.origin}/plugins/dashboard/`)
    await isWhole(page)
    await page.getByRole("status").filter({ hasText: /wait for you\.$/ }).first().waitFor()
    await page.getByRole("region", { name: /^Live feed/ }).getByText("lamp.set").first().waitFor()
    await shoot(page, "good-day", "light", false)
    assert.deepEqual(visit.faults(), [])
  })
})
