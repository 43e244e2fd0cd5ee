/**
 * The ways of the operator's page that are walked more rarely: what servers ask, files that came back, words that are taken
 * back, what is settled, ended or granted by hand, a session that ends elsewhere, and a browser that is not like the others.
 */
import type { Locator, Page } from "playwright-core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { guardedServer, type GuardedServer } from "../../core/mcp/TestSignIn.ts"
import { loudly } from "../servers/ServerProcess.ts"
import { officialServer } from "../stories/mcp/OfficialServers.ts"
import { long, until } from "../storms/Until.ts"
import { missing, startBrowser, type TestBrowser, type Visit } from "./Browser.ts"
import { makeLink, signIn } from "./Login.ts"
import { atticTools, type HouseOptions, pageHouse, type PageHouse, settled } from "./PageHouse.ts"

const lacking = missing()
const trust = { risk: "low", effect: "read" }
const asks = "mcp.everything.trigger-elicitation-request"

describe.skipIf(lacking.length > 0)(`rarer ways of the operator's page${loudly(lacking)}`, { timeout: 60_000 }, () => {
  let browser: TestBrowser
  let guarded: GuardedServer
  let house: PageHouse
  let visit: Visit
  let page: Page
  let says: NonNullable<HouseOptions["says"]> = { text: "All is quiet." }

  beforeAll(async () => {
    guarded = await guardedServer()
    ;[browser, house] = await Promise.all([
      startBrowser(),
      pageHouse({
        says: (asked) => typeof says === "function" ? says(asked) : says,
        mcp: {
          everything: {
            command: process.execPath,
            args: [officialServer("everything"), "stdio"],
            elicitation: true,
            trust
          },
          guarded: { url: guarded.url, trust }
        }
      })
    ])
    visit = await browser.visit({ origin: house.origin })
    ;({ page } = visit)
    await signIn(page, house.host())
    await until("the servers", async () => {
      const { items } = await house.host().get("/integrations")
      return ["attic connected", "everything connected", "guarded sign_in"].every((wanted) =>
        items.some((one: any) => `${one.integration_id} ${one.state}` === wanted)
      )
    })
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await house?.end()
    await guarded?.close()
  })

  /** The long form walks these, too. */
  const rare = it.skipIf(!long)

  const live = (on: Page): Promise<void> => on.getByRole("status").filter({ hasText: /^Live$/ }).waitFor()
  const open = async (at: string, on = page): Promise<void> => {
    await on.goto(`${house.origin}/plugins/dashboard${at}`)
    await live(on)
  }
  const noFaults = () => assert.deepEqual(visit.faults(), [])
  const gone = (what: Locator): Promise<void> => what.waitFor({ state: "detached" })
  /** Says yes in the dialog that is open. */
  const confirm = async (name: string): Promise<void> => {
    await page.getByRole("dialog").getByRole("button", { name, exact: true }).click()
    await gone(page.getByRole("dialog"))
  }
  const press = (name: string, on: Page | Locator = page.getByRole("main")): Promise<void> =>
    on.getByRole("button", { name, exact: true }).click()
  const toAnswer = (on: Page): Locator => on.getByRole("heading", { name: "1 question to answer" })
  const over = (card: Locator): Promise<void> => card.getByText("This question is not open any more").waitFor()
  const ready = (card: Locator): Promise<void> =>
    card.getByRole("button", { name: "Send this answer", disabled: false }).waitFor()
  const lastCard = (): Locator => page.getByRole("log").getByRole("article").last()
  const waiting = (): Locator => page.getByRole("link", { name: "Approvals , 1 waiting" })

  it("a server asks: I am told on every screen, also on one that was still opening; a field that does not fit is named", async () => {
    await open("/chat")
    const other = await visit.tab()
    const release = Promise.withResolvers<void>()
    await other.route("**/audit/stream", async (route) => {
      await release.promise
      await route.continue()
    })
    const asked = other.waitForResponse((response) => response.url().includes("/questions"))
    await other.goto(`${house.origin}/plugins/dashboard/`)
    await asked
    await other.getByRole("heading", { name: "State" }).waitFor()
    // It has asked for all that it shows, and hears nothing yet.
    const said = await house.send(asks)
    const card = lastCard()
    await card.waitFor()
    await waiting().waitFor()
    assert.strictEqual(await toAnswer(other).count(), 0)
    release.resolve()
    await toAnswer(other).waitFor()

    await ready(card)
    await card.getByLabel(/^Integer/).fill("1000")
    await press("Send this answer", card)
    await card.getByText("This is asked for: fill it in, or decline the question.").waitFor()
    await card.getByText("This has to be 1 to 100.").waitFor()
    await card.getByRole("textbox", { name: "String", exact: true }).fill("Bob B.")
    await card.getByLabel(/^Integer/).fill("7")
    await card.getByLabel(/date format/).fill("yesterday")
    const expected = visit.expecting(/\b400\b/)
    await press("Send this answer", card)
    await card.getByText(/birthdate is a date, such as/).waitFor()
    expected()
    await card.getByLabel(/date format/).fill("1999-12-31")
    await press("Send this answer", card)
    await over(card)
    await Promise.all([gone(toAnswer(other)), gone(waiting())])
    const answer = await until("the answer", async () => {
      const { tool_calls } = await house.host().get(`/traces/${said.trace_id}`)
      return tool_calls.find(({ status }: any) => status === "succeeded")
    })
    assert.include(JSON.stringify(answer.output), "Bob B.")
    await other.close()
    noFaults()
  })

  rare("another I decline; the next withdraws itself with its call, in both tabs", async () => {
    const ask = () =>
      house.post("/tasks", { name: "Ask me", steps: [{ name: "ask", tool: asks, input: {}, max_attempts: 1 }] })
    const other = await visit.tab()
    await open("/", other)
    await ask()
    const declined = lastCard()
    await ready(declined)
    await declined.getByRole("button", { name: /^Decline/ }).click()
    await over(declined)

    await gone(toAnswer(other))
    const task = await ask()
    await toAnswer(other).waitFor()
    await ready(lastCard())
    await house.post(`/tasks/${task.task_id}/cancel`)
    await Promise.all([over(lastCard()), gone(toAnswer(other)), gone(waiting())])
    await other.close()
    noFaults()
  })

  rare("an answer begins, is taken back, and the real one stands once", async () => {
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const until = (end: Promise<void>) => async (piece: string | undefined) => piece === undefined ? end : undefined
    says = ({ body }) =>
      (body.messages ?? []).some(({ role }) => role === "tool")
        ? { text: "It is all quiet here.", pace: until(second.promise) }
        : { text: "Perhaps it is loud.", call: { tool: "house.look", input: {} }, pace: until(first.promise) }
    const log = page.getByRole("log")
    await page.getByRole("textbox", { name: /^Say something/ }).fill("how is the house tonight?")
    await page.keyboard.press("Enter")
    await log.getByText("Perhaps it is loud.").waitFor()
    first.resolve()
    await gone(log.getByText("Perhaps it is loud."))
    await log.locator(".bubble-draft").getByText("It is all quiet here.").waitFor()
    second.resolve()
    await gone(log.locator(".bubble-draft"))
    assert.strictEqual(await log.getByText("It is all quiet here.").count(), 1)
    says = { text: "All is quiet." }
    noFaults()
  })

  it("a server wants me to sign in: its link leads there and back, and it is connected and well without a reload", async () => {
    await open("/integrations")
    const card = page.locator(".card").filter({ hasText: "MCP server guarded" })
    const expected = visit.expecting(/a request to elsewhere: .*\/authorize\?/)
    const [there] = await Promise.all([visit.context.waitForEvent("page"), card.getByRole("link").click()])
    await there.getByText("You are signed in to guarded.").waitFor()
    assert.strictEqual(await there.evaluate("String(globalThis.opener)"), "null")
    await there.close()
    await card.getByText("connected", { exact: true }).waitFor()
    await card.getByText("healthy", { exact: true }).waitFor()
    assert.strictEqual(await card.getByText("sign in").count(), 0)
    expected()
    noFaults()
  })

  rare("a tool in quarantine: what changed is shown, I trust it there, and it works again", async () => {
    await open("/integrations")
    house.attic(atticTools("Finds a box, and tells the neighbours."))
    const card = page.locator(".card").filter({ hasText: "The tool find of attic has changed" })
    await card.locator(".diff-new").filter({ hasText: "tells the neighbours" }).waitFor()
    assert.notInclude((await house.host().get("/integrations/attic")).tools, "mcp.attic.find")
    await card.getByRole("button", { name: /^Trust it/ }).click()
    await confirm("Trust what is shown")
    await gone(card)
    assert.strictEqual((await settled(house, "mcp.attic.find {\"box\": \"red\"}")).reply, "find")
    noFaults()
  })

  it("what a tool printed is saved with its name, whatever it is, and never becomes a page of this origin", async () => {
    const { trace_id } = await settled(house, "print it")
    await open(`/trace/${trace_id}`)
    const files = page.locator(".trace-files").getByRole("link")
    const names = ["diary.txt", "letter.html", "drawing.svg", "stamp.png"]
    await files.nth(names.length - 1).waitFor()
    const tab = await visit.tab()
    for (const [i, name] of names.entries()) {
      const [saved] = await Promise.all([page.waitForEvent("download"), files.nth(i).click()])
      assert.strictEqual(saved.suggestedFilename(), name)
      // Nor where somebody opens its address by hand.
      const address = `${house.origin}${await files.nth(i).getAttribute("href")}`
      const [again] = await Promise.all([tab.waitForEvent("download"), tab.goto(address).catch(() => {})])
      assert.deepEqual([again.suggestedFilename(), tab.url()], [name, "about:blank"])
    }
    await tab.close()
    assert.include(page.url(), trace_id)
    noFaults()
  })

  it("of calls that nobody knows the end of I say what became of them: one happened, one did not", async () => {
    const known = new Map<string, string>()
    for (const [words, status] of [["It happened", "succeeded"], ["It did not happen", "failed"]] as const) {
      const { trace_id } = await settled(house, `send ${words.length}`)
      known.set(trace_id, status)
      await open(`/trace/${trace_id}`)
      await page.getByRole("button", { name: "Settle parcel.send" }).first().click()
      await page.getByRole("dialog").getByRole("radio", { name: words }).check()
      await confirm(words)
      await gone(page.getByRole("button", { name: "Settle parcel.send" }))
    }
    for (const [trace_id, wanted] of known) {
      const { tool_calls } = await house.host().get(`/traces/${trace_id}`)
      assert.deepEqual(tool_calls.map(({ status }: any) => status), [wanted])
    }
    noFaults()
  })

  rare("I pause a task, let it go on and cancel it; a job I cancel, too", async () => {
    const { task_id } = await house.post("/tasks", {
      name: "Paint",
      steps: [{ name: "dry", kind: "wait", input: { delay_ms: 3_600_000 } }]
    })
    const status = (wanted: string) =>
      page.locator(".facts > div").filter({ hasText: /^Status/ }).getByText(wanted, { exact: true }).waitFor()
    await open(`/tasks/${task_id}`)
    await press("Pause")
    await status("paused")
    await press("Resume")
    await status("waiting")
    await press("Cancel")
    await page.getByRole("dialog").getByLabel(/^Reason/).fill("It rains.")
    await confirm("Cancel the task")
    await status("canceled")
    await page.getByText("It rains.").waitFor()

    const { job_id } = await house.post("/jobs", { kind: "photographs" })
    await open("/jobs")
    await page.getByRole("button", { name: /^Cancel/ }).first().click()
    await confirm("Cancel the job")
    await until("the job's end", async () => (await house.host().get(`/jobs/${job_id}`)).status === "canceled")
    noFaults()
  })

  rare("a rule I switch off and on, a memory I have forgotten, a standing rule I make and end", async () => {
    await open("/rules")
    const frost = (checked: boolean) => page.getByRole("switch", { name: "The rule frost", checked })
    await frost(true).click()
    await frost(false).click()
    await frost(true).waitFor()

    await settled(house, "remember that the spare key is under the pot")
    await open("/memory")
    await page.getByRole("button", { name: /^Forget/ }).click()
    await confirm("Forget it for good")
    await page.getByText(/^Nothing is remembered yet/).waitFor()

    await house.send("pay milkman")
    await open("/approvals")
    await page.getByRole("button", { name: /^Always allow/, disabled: false }).click()
    await page.getByRole("dialog").getByRole("button", { name: /^Make this rule/ }).click()
    await gone(page.getByRole("dialog"))
    await page.locator(".rules-list").getByText("bill.pay", { exact: true }).waitFor()
    assert.strictEqual((await settled(house, "pay milkman")).outcome, "succeeded")
    await page.getByRole("button", { name: /^End…/ }).click()
    await confirm("End it")
    await page.getByText(/^Nothing is always allowed/).waitFor()
    await house.send("pay milkman")
    await page.getByRole("heading", { name: "1 waits for you" }).waitFor()
    noFaults()
  })

  rare("a schedule I make in words, change and delete", async () => {
    await open("/schedules")
    await press("Make a schedule")
    const dialog = page.getByRole("dialog")
    await dialog.getByLabel("Name").fill("Water the plants")
    await dialog.getByLabel("When, in words").fill("every weekday at 7:30")
    await dialog.getByLabel("Message").fill("Water them.")
    await press("Make it", dialog)
    await page.getByRole("heading", { level: 1, name: "Schedule Water the plants" }).waitFor()
    await page.getByText("30 7 * * 1-5").waitFor()
    await press("Change")
    await dialog.getByLabel("When, in words").fill("every sunday at noon")
    await press("Change it", dialog)
    await page.locator("code").filter({ hasText: "0 12 * * 0" }).waitFor()
    // What was on its way when it was deleted is answered by that.
    const expected = visit.expecting(/occurrences.*\b404\b|\b404\b.*occurrences/)
    await press("Delete")
    await confirm("Delete it")
    await page.getByText(/^Nothing is to come/).waitFor()
    assert.deepEqual((await house.host().get("/schedules")).items, [])
    expected()
    noFaults()
  })

  rare(
    "a browser of elsewhere, as narrow as large letters make it, in the system's own colours: my clock, and nothing is cut off",
    async () => {
      await house.post("/schedules", {
        name: "Bins",
        type: "cron",
        spec: "30 7 * * *",
        payload: { text: "look around" }
      })
      const { trace_id } = await settled(house, "look around")
      const context = await browser.browser.newContext({
        viewport: { width: 320, height: 640 },
        locale: "ja-JP",
        timezoneId: "Asia/Tokyo",
        forcedColors: "active",
        reducedMotion: "reduce",
        storageState: await visit.context.storageState()
      })
      const narrow = await context.newPage()
      for (const at of ["/", "/integrations", "/schedules", "/rules", `/trace/${trace_id}`]) {
        await open(at, narrow)
        await gone(narrow.locator("main [aria-busy=true]").first())
        assert.isAtMost(await narrow.evaluate("document.documentElement.scrollWidth"), 320, at)
        if (at === "/schedules") await narrow.getByText(/(^|, )07:30:00$/).waitFor()
      }
      const [bar, ground] = await Promise.all(
        [".waterfall-bar", "body"].map((what) =>
          narrow.locator(what).first().evaluate((one: any) => (globalThis as any).getComputedStyle(one).backgroundColor)
        )
      )
      assert.notStrictEqual(bar, ground)
      await context.close()
    }
  )

  it("the session ends elsewhere: each tab says so and how to come back, and one login brings back all", async () => {
    await open("/rules")
    const other = await visit.tab()
    await open("/settings", other)
    const expected = visit.expecting(/\b401\b|ERR_INCOMPLETE_CHUNKED_ENCODING/)
    await other.getByRole("button", { name: /^Log out everywhere/ }).click()
    await other.getByRole("dialog").getByRole("button", { name: "Log out everywhere" }).click()
    for (const tab of [page, other]) {
      await tab.getByRole("heading", { name: "Log in to SYRIS" }).waitFor()
      await tab.getByText("npm run syris open").waitFor()
    }
    await page.getByRole("textbox").fill(await makeLink(house.host()))
    await press("Log in")
    await page.getByRole("heading", { level: 1, name: "Rules" }).waitFor()
    await other.evaluate("dispatchEvent(new Event('focus'))")
    await other.getByRole("heading", { level: 1, name: "Settings" }).waitFor()
    await other.close()

    await visit.context.clearCookies()
    await page.getByRole("link", { name: "Memory" }).click()
    await page.getByRole("heading", { name: "Log in to SYRIS" }).waitFor()
    await signIn(page, house.host())
    expected()
    noFaults()
  })

  rare("the host goes, and what changed in a plugin meanwhile is held: I read it and grant it there", async () => {
    await open("/plugins")
    const expected = visit.expecting(/ERR_|\b50\d\b|Failed to load resource/)
    await house.host().kill()
    await page.getByText(/Where SYRIS was started at another address, open the link/).waitFor()
    house.vane("south")
    await house.start()
    const card = page.locator(".card").filter({ hasText: "The code of vane has changed" })
    await card.locator(".diff-new").filter({ hasText: "south" }).waitFor()
    await live(page)
    expected()
    visit.faults()
    await card.getByRole("button", { name: /^Grant it/ }).click()
    await confirm("Grant what is shown")
    await gone(card)
    await until("its new code", async () => {
      const { items } = await house.host().get("/plugins")
      return items.find(({ name }: any) => name === "vane").state === "running"
    })
    noFaults()
  })
})
