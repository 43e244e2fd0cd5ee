/**
 * A day of the operator with the page, on a real host: what happens is there at once, what is asked is answered and done once,
 * what was done is read, and a host that is killed and comes back is told as what it is.
 */
import type { Locator, Page } from "playwright-core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { loudly } from "../servers/ServerProcess.ts"
import { until } from "../storms/Until.ts"
import { missing, startBrowser, type TestBrowser, type Visit } from "./Browser.ts"
import { signIn } from "./Login.ts"
import { askedFor, pageHouse, type PageHouse, settled } from "./PageHouse.ts"

const lacking = missing()

describe.skipIf(lacking.length > 0)(`the operator's page${loudly(lacking)}`, { timeout: 60_000 }, () => {
  let browser: TestBrowser
  let house: PageHouse
  let visit: Visit
  let page: Page

  beforeAll(async () => {
    ;[browser, house] = await Promise.all([startBrowser(), pageHouse()])
    visit = await browser.visit({ origin: house.origin })
    ;({ page } = visit)
    await signIn(page, house.host())
    await live(page)
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await house?.end()
  })

  const open = async (at: string, on = page): Promise<void> => {
    await on.goto(`${house.origin}/plugins/dashboard${at}`)
    await live(on)
  }
  const live = (on: Page): Promise<void> => on.getByRole("status").filter({ hasText: /^Live$/ }).waitFor()
  /** Asks for a lamp, which at A1 the operator is asked about. */
  const lamp = async (what: string): Promise<any> =>
    askedFor(house, await house.send("a lamp", { structured: { intent: "lamp", input: { what, to: "dim" } } }))
  const cardOf = (approval: any, on = page): Locator =>
    on.getByRole("article").filter({
      has: on.getByRole("heading", { name: new RegExp(`^Approval ${approval.number}:`) })
    })
  const doneTo = (what: string) => house.effects().filter((line) => line === `lamp.set ${what} dim`).length
  const noFaults = () => assert.deepEqual(visit.faults(), [])

  it("an event arrives, and is on the page without a reload", async () => {
    const feed = page.getByRole("region", { name: /^Live feed/ }).last()
    await feed.waitFor()
    const { trace_id } = await settled(house, "look around")
    await feed.locator(`a[href*="${trace_id}"]`).filter({ hasText: "tool_call.succeeded" }).waitFor()
    await feed.locator(`a[href*="${trace_id}"]`).filter({ hasText: "event.ingested" }).waitFor()
    noFaults()
  })

  it("the autonomy level is lowered, with a reason that is kept", async () => {
    await page.getByRole("button", { name: "Change the autonomy level" }).click()
    const dialog = page.getByRole("dialog", { name: "Autonomy" })
    await dialog.getByRole("radio", { name: /^A1/ }).check()
    await dialog.getByLabel(/^Reason/).fill("I am away until Monday.")
    await dialog.getByRole("button", { name: "Lower to A1" }).click()
    await dialog.waitFor({ state: "detached" })
    const { items, level } = await house.host().get("/controls/autonomy")
    assert.strictEqual(level, "A1")
    assert.deepInclude(items[0], { from: "A2", to: "A1", reason: "I am away until Monday." })
    await page.locator("main").getByText(/\bA1\b/).first().waitFor()
    noFaults()
  })

  it("at A1 it asks: what will run is shown exactly, nothing has run, a click lets it run once", async () => {
    await open("/approvals")
    const approval = await lamp("sofa")
    const card = cardOf(approval)
    await card.waitFor()
    const words = await card.innerText()
    for (const shown of ["lamp.set", "sofa", "dim", "low risk", "sofa: as it is", "sofa: dim", ...approval.reasons]) {
      assert.include(words, shown)
    }
    assert.strictEqual(doneTo("sofa"), 0)
    await card.getByRole("button", { name: `Approve ${approval.number}` }).click()
    await card.getByRole("status").filter({ hasText: "It was approved" }).waitFor()
    await until("the lamp", () => doneTo("sofa") > 0)
    assert.strictEqual((await house.host().get(`/approvals/${approval.approval_id}`)).status, "consumed")
    noFaults()
  })

  it("the same by the keyboard alone; and a no", async () => {
    const yes = await lamp("hall")
    await cardOf(yes).waitFor()
    await cardOf(yes).focus()
    // It takes keys once it was in sight for a second.
    await cardOf(yes).getByRole("button", { name: `Approve ${yes.number}`, disabled: false }).waitFor()
    await page.keyboard.press("a")
    await cardOf(yes).getByRole("status").filter({ hasText: "It was approved" }).waitFor()
    await until("the lamp", () => doneTo("hall") > 0)

    const no = await lamp("cellar")
    await cardOf(no).waitFor()
    await cardOf(no).focus()
    await cardOf(no).getByRole("button", { name: `Deny ${no.number}`, disabled: false }).waitFor()
    await page.keyboard.press("d")
    await page.getByRole("dialog").getByLabel(/^Why/).fill("The cellar stays dark.")
    await page.keyboard.press("Enter")
    await cardOf(no).getByRole("status").filter({ hasText: "It was denied" }).waitFor()
    assert.deepInclude((await house.host().get(`/approvals/${no.approval_id}`)).decision, {
      reason: "The cellar stays dark."
    })
    assert.strictEqual(doneTo("cellar"), 0)
    noFaults()
  })

  it("two tabs say yes at the same moment: it is done once, and both say so", async () => {
    const approval = await lamp("stairs")
    const other = await visit.tab()
    // One of the two is told that the other was first.
    const expected = visit.expecting(/\b409\b/)
    await Promise.all([page, other].map((tab) => open(`/approvals/${approval.approval_id}`, tab)))
    const approve = (tab: Page) => tab.getByRole("button", { name: `Approve ${approval.number}`, disabled: false })
    await Promise.all([page, other].map((tab) => approve(tab).waitFor()))
    const buttons = await Promise.all([page, other].map((tab) => approve(tab).elementHandle()))
    await Promise.all(buttons.map((button) => button!.evaluate((one: any) => one.click())))
    await Promise.all(
      [page, other].map((tab) =>
        tab.locator("main").getByRole("status").filter({ hasText: "It was approved" }).first().waitFor()
      )
    )
    await until("the lamp", () => doneTo("stairs") > 0)
    const { tool_calls } = await house.host().get(`/traces/${approval.trace_id}`)
    await until(
      "its end",
      async () =>
        (await house.host().get(`/traces/${approval.trace_id}`)).tool_calls.every(({ status }: any) =>
          status === "succeeded"
        )
    )
    assert.lengthOf(tool_calls, 1)
    assert.strictEqual(doneTo("stairs"), 1)
    await other.close()
    expected()
    noFaults()
  })

  it("its trace is read, row by row", async () => {
    await page.getByRole("link", { name: "What became of it" }).click()
    await page.getByRole("heading", { level: 1, name: /^Trace/ }).waitFor()
    const rows = page.locator("main ol.trace-rows details")
    await rows.filter({ hasText: "tool_call.succeeded" }).first().waitFor()
    const types = (await rows.allInnerTexts()).map((text) => /[a-z_]+\.[a-z_]+/.exec(text)?.[0])
    for (const type of ["event.ingested", "routing.decided", "gate.required", "gate.approved", "tool_call.succeeded"]) {
      assert.include(types, type)
    }
    await rows.filter({ hasText: "gate.required" }).first().locator("summary").click()
    await rows.filter({ hasText: "gate.required" }).first().locator("pre").filter({ hasText: "reasons" }).waitFor()
    noFaults()
  })

  it("a rule is explained on an event", async () => {
    const { event_id } = await house.send("minus three", { channel: "porch", structured: { degrees: -3 } })
    const warm = await house.send("plus four", { channel: "porch", structured: { degrees: 4 } })
    await open("/rules")
    await page.getByRole("link", { name: "frost" }).first().click()
    const explained = page.getByRole("region", { name: "What happened on this event" })
    const events = page.getByRole("list", { name: /^Events/ })
    await events.locator(`a[href*="${event_id}"]`).click()
    await explained.getByText("It fired").waitFor()
    await explained.getByText("There was: -3").waitFor()
    await events.locator(`a[href*="${warm.event_id}"]`).click()
    await explained.getByText("It did not fire").waitFor()
    await explained.getByText("There was: 4").waitFor()
    noFaults()
  })

  it("the host is killed: the page says so; it comes back, and the page goes on without a reload", async () => {
    await open("/")
    const feed = page.getByRole("region", { name: /^Live feed/ }).last()
    await page.mouse.move(0, 0)
    const before = await settled(house, "look around")
    await feed.locator(`a[href*="${before.trace_id}"]`).first().waitFor()
    await page.evaluate("globalThis.stays = true")
    const expected = visit.expecting(/ERR_(CONNECTION|INCOMPLETE|EMPTY|NETWORK)|Failed to load resource|\b50[0-9]\b/)
    await house.host().kill()
    await page.getByRole("status").filter({ hasText: /^Not connected$/ }).waitFor()
    await page.getByRole("alert").filter({ hasText: "Not connected." }).waitFor()

    await house.start()
    const meanwhile = await Promise.all(
      ["one", "two", "three"].map((word) => settled(house, `look around`, { message_id: word }))
    )
    await live(page)
    assert.strictEqual(await page.evaluate("globalThis.stays"), true)
    await page.getByRole("alert").filter({ hasText: "Not connected." }).waitFor({ state: "detached" })
    const after = await settled(house, "look around")
    await feed.locator(`a[href*="${after.trace_id}"]`).first().waitFor()
    for (const { trace_id } of [before, ...meanwhile, after]) {
      const { audit } = await house.host().get(`/traces/${trace_id}`)
      await until("each row to be there, once", async () => {
        const shown = await rowsOf(feed, trace_id)
        return shown.length === audit.length && new Set(shown).size === audit.length
      })
    }
    expected()
    visit.faults()
    // And it is still the page that it was: what comes now comes live.
    const again = await settled(house, "look around")
    await feed.locator(`a[href*="${again.trace_id}"]`).first().waitFor()
    noFaults()
  })

  /** The rows of a trace in a list of which only those in view exist: all of it is looked through. */
  const rowsOf = async (list: Locator, trace: string): Promise<ReadonlyArray<string>> =>
    list.evaluate(async (element: any, trace_id) => {
      const found = new Map<string, string>()
      for (let top = 0;; top += element.clientHeight / 2) {
        element.scrollTop = top
        await new Promise((resolve) => setTimeout(resolve, 30))
        for (const item of element.querySelectorAll("[role=listitem]")) {
          const link = item.querySelector(`a[href*="${trace_id}"]`)
          if (link !== null) found.set(item.getAttribute("aria-posinset") ?? "", link.getAttribute("href"))
        }
        if (top >= element.scrollHeight) break
      }
      element.scrollTop = 0
      return [...found.values()]
    }, trace)
})
