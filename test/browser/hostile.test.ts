/**
 * What strangers write, in every field that a stranger can fill: the page shows each character of it or spells it, runs none
 * of it, and loads nothing because of it. The control is a page without our care, in the same browser.
 */
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import type { Locator, Page } from "playwright-core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { loudly } from "../servers/ServerProcess.ts"
import { until } from "../storms/Until.ts"
import { missing, startBrowser, type TestBrowser, type Visit } from "./Browser.ts"
import { allOf, harm, hostileTexts, shows, startThief, type Thief } from "./Hostile.ts"
import { signIn } from "./Login.ts"
import { askedFor, pageHouse, type PageHouse, settled } from "./PageHouse.ts"
import { huge, plant, type Screen, whisperOf } from "./Planted.ts"
import { goOn, isWhole } from "./Screens.ts"

const lacking = missing()

/** Opens whatever of a screen is closed, parts and texts that are cut, until nothing is. */
const opening = `(async () => {
  const closed = () => [...document.querySelectorAll("main details:not([open]) > summary, main button, dialog button")].filter((one) =>
    one.localName === "summary" || one.getAttribute("aria-expanded") === "false" ||
    /more (characters|lines)$|^Show (all|more)/.test(one.textContent))
  for (let rounds = 0; rounds < 20 && closed().length > 0; rounds++) {
    for (const one of closed()) one.click()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
})()`

const heading = (page: Page): Locator => page.getByRole("heading", { level: 1 })

describe.skipIf(lacking.length > 0)(`text from outside, in the operator's page${loudly(lacking)}`, () => {
  let browser: TestBrowser
  let thief: Thief
  let texts: ReadonlyMap<string, string>
  let house: PageHouse
  let screens: ReadonlyArray<Screen>
  let visit: Visit

  beforeAll(async () => {
    thief = await startThief()
    texts = hostileTexts(thief)
    ;[browser, house] = await Promise.all([
      startBrowser(),
      pageHouse({
        says: () => ({ text: allOf(texts) }),
        whisper: whisperOf(texts)
      })
    ])
    screens = await plant(house, texts)
    visit = await browser.visit({ origin: house.origin })
    await signIn(visit.page, house.host())
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await house?.end()
    thief?.close()
  })

  it("control: a page that takes it for HTML runs it, and it is seen", async () => {
    const server = http.createServer((request, response) => {
      const known = request.url === "/" ? 200 : 404
      response.writeHead(known, { "content-type": "text/html; charset=utf-8" })
      // What would leave the page at once, or hide all behind it, is not in this one.
      const rest = [...texts].filter(([name]) => !["a new base", "a style"].includes(name))
      response.end(
        known === 200
          ? `<!doctype html><body>${allOf(new Map(rest))}<p title="${texts.get("the end of an attribute")}">`
          : ""
      )
    })
    await once(server.listen(0, "127.0.0.1"), "listening")
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const visit = await browser.visit({ origin })
    try {
      await visit.page.goto(`${origin}/`)
      await until("the scripts to run", () => visit.page.evaluate("(globalThis.ran ?? []).length >= 3"))
      const found = (await visit.page.evaluate(harm) as ReadonlyArray<string>).join("\n")
      for (
        const what of [
          /^ran: .*image/m,
          /^ran: .*svg/m,
          /^an attribute onload/m,
          /^an element iframe/m,
          /^an address javascript:/m,
          /hides U\+202e/,
          /^a form to/m
        ]
      ) {
        assert.match(found, what)
      }
      await until(
        "the thief to hear of it",
        () => thief.heard().includes("/image") && thief.heard().includes("/picture")
      )
      assert.match(visit.faults().join("\n"), /^a request to elsewhere: .*\/picture$/m)
    } finally {
      await visit.context.close()
      server.close()
      server.closeAllConnections()
    }
  })

  it(
    "is text wherever it is shown, each character of it to be seen, and runs and loads nothing",
    { timeout: 120_000 },
    async () => {
      const { page } = visit
      const heard = thief.heard().length
      const wrong: Array<string> = []
      const kinds = new Set<string | undefined>()
      for (const { at, button, planted } of screens) {
        const kind = at.split("/")[1]
        const address = `${house.origin}/plugins/dashboard${at}`
        if (!kinds.has(kind)) await page.goto(address)
        else {
          // The first of its kind is loaded. To the others the page goes by itself, by way of a screen that is none of them.
          await goOn(page, `${house.origin}/plugins/dashboard/costs`)
          await heading(page).filter({ hasText: /^Costs/ }).waitFor()
          await goOn(page, address)
          await heading(page).filter({ hasNotText: /^Costs/ }).waitFor()
        }
        kinds.add(kind)
        await isWhole(page)
        if (button !== undefined) {
          await page.getByRole("button", { name: button }).click()
          await page.getByRole("dialog").locator("li").first().waitFor()
        }
        await page.evaluate(opening)
        const shown = await page.locator(button === undefined ? "main" : "dialog").innerText()
        for (const { field, text } of planted) {
          if (!shows(shown, text)) wrong.push(`${at}: ${field} is not shown: ${JSON.stringify(text.slice(0, 80))}`)
        }
        const harmed = await page.evaluate(harm) as ReadonlyArray<string>
        wrong.push(...[...harmed, ...visit.faults()].map((what) => `${at}: ${what}`))
      }
      assert.deepEqual(wrong, [])
      assert.deepEqual(thief.heard().slice(heard), [])
      assert.deepEqual(house.effects(), [], "and no button of a stranger was pressed")
    }
  )

  const megabytes: ReadonlyArray<readonly [string, () => Promise<string>]> = [
    ["the output of a tool", async () => {
      const { trace_id } = await settled(house, "hear", {
        channel: "porch",
        structured: { intent: "hear", input: { what: "huge" } }
      })
      return `/trace/${trace_id}`
    }],
    ["the input of an approval", async () => {
      const ids = await house.send("pay", {
        channel: "porch",
        structured: { intent: "pay", input: { what: "baker", to: huge } }
      })
      return `/approvals/${(await askedFor(house, ids)).approval_id}`
    }]
  ]
  it.each(megabytes)(
    "%s of a megabyte is cut with a note, can be opened, and holds nothing up",
    { timeout: 60_000 },
    async (_, made) => {
      const { page } = visit
      await page.goto(`${house.origin}/plugins/dashboard${await made()}`)
      await isWhole(page)
      const length = async () => (await page.locator("main").innerText()).length
      assert.isBelow(await length(), 200_000, "what is shown at first")
      await page.evaluate(`document.querySelectorAll("main summary").forEach((one) => one.click())`)
      const more = page.locator("main").getByRole("button", { name: /more characters$/ }).last()
      assert.match(await more.innerText(), /\d more characters$/)
      const before = await length()
      await more.click()
      await until("more of it", async () => await length() > before + 10_000)
      assert.isBelow(await length(), huge.length, "not all at once")
      assert.deepEqual(visit.faults(), [])
    }
  )
})
