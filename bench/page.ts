/**
 * The operator's page in Debian's Chromium: how soon it paints from the loopback with nothing in the browser's cache, what it
 * transfers, and how long its frames are while 100 000 rows of the audit scroll by and while 500 a second come in. Controls: the
 * same browser on a plain list of as many rows, and on an empty page.
 */
import { once } from "node:events"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import type { BrowserContext, Page } from "playwright-core"
import { desktop, missing, startBrowser, type TestBrowser } from "../test/browser/Browser.ts"
import { connect, noopEvent, type Target } from "./HttpLoad.ts"
import { figure, median, type Options, say, target, title } from "./Report.ts"
import { root, startHost, startPostgres, temporaryFolder } from "./Setup.ts"

const rowsOfYear = `
  insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, tool, risk, autonomy, data)
  select gen_random_uuid(), clock_timestamp() - ($1::bigint - n) * interval '20 seconds',
         ('019a0000-0000-7000-8000-' || lpad(to_hex(n / 5), 12, '0'))::uuid,
         (array['normalize', 'route', 'tool_call', 'tool_call', 'respond'])[n % 5 + 1],
         (array['event.ingested', 'routing.decided', 'tool_call.attempted', 'tool_call.succeeded', 'response.sent'])[n % 5 + 1],
         'info', 'Row ' || n || ' of a long year.', '{}', 'noop.run', 'low', 'A2', '{"attempt": 1}'
  from generate_series(1, $1::bigint) n`

/** Frames from now on, and a hand that scrolls whatever scrolls furthest: down by as much as a page each frame, and up again. */
const watchFrames = `(scrolls) => {
  const furthest = () => [document.scrollingElement, ...document.querySelectorAll("main *")]
    .reduce((one, other) => other.scrollHeight - other.clientHeight > one.scrollHeight - one.clientHeight ? other : one)
  const frames = []
  let on = true, last = performance.now(), seen = 0, down = true
  const step = (now) => {
    frames.push(now - last)
    last = now
    if (scrolls) {
      const area = furthest()
      const before = area.scrollTop
      area.scrollTop += (down ? 1 : -1) * Math.min(600, area.clientHeight)
      if (area.scrollTop === before && area.scrollHeight >= seen) {
        if (area.scrollTop === 0) down = true
        else if (area.scrollHeight === seen) down = false
      }
      seen = Math.max(seen, area.scrollHeight)
    }
    if (on) requestAnimationFrame(step)
  }
  requestAnimationFrame(step)
  globalThis.endFrames = () => {
    on = false
    return frames.slice(2)
  }
}`

interface Frames {
  readonly longest: number
  readonly over50: number
  readonly count: number
}

const framesDuring = async (page: Page, scrolls: boolean, during: () => Promise<unknown>): Promise<Frames> => {
  await page.evaluate(`(${watchFrames})(${scrolls})`)
  await during()
  const frames = await page.evaluate("globalThis.endFrames()") as ReadonlyArray<number>
  return { longest: Math.max(...frames), over50: frames.filter((ms) => ms > 50).length, count: frames.length }
}

const seconds = (count: number) => new Promise<void>((resolve) => setTimeout(resolve, count * 1_000))

const sayFrames = (name: string, { count, longest, over50 }: Frames, bound?: number): void => {
  if (bound === undefined) figure(`${name}: longest frame`, longest, "ms")
  else target(`${name}: longest frame`, longest, "ms", "at most", bound)
  figure(`${name}: frames over 50 ms of ${count.toLocaleString("en")}`, over50, "")
}

/** As many rows in a list of which only those in view exist, and nothing else. */
const plainList = (count: number): string =>
  `<!doctype html><title>control</title><main>
<div id="area" style="height:700px;overflow:auto;position:relative"><div id="rows" style="height:${
    count * 36
  }px"></div></div>
<script>
  const area = document.getElementById("area"), rows = document.getElementById("rows")
  const show = () => {
    const first = Math.max(0, Math.floor(area.scrollTop / 36) - 12)
    rows.replaceChildren(...Array.from({ length: 44 }, (_, i) => {
      const row = document.createElement("div")
      row.style.cssText = "position:absolute;height:36px;top:" + (first + i) * 36 + "px"
      row.textContent = "row " + (first + i) + " of a plain list, with a few words in it"
      return row
    }))
  }
  area.addEventListener("scroll", show)
  show()
</script></main>`

const serveControls = async (count: number) => {
  const server = http.createServer((request, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" })
    response.end(request.url === "/list" ? plainList(count) : "<!doctype html><title>empty</title><main></main>")
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

/** Events of four rows each, evenly, for so long. */
const feed = async (at: Target, rowsASecond: number, forSeconds: number): Promise<number> => {
  const connections = await Promise.all(Array.from({ length: 8 }, () => connect(at.host, at.port)))
  const total = rowsASecond / 4 * forSeconds
  const began = performance.now()
  let sent = 0
  const run = `page-${process.pid}-${Math.round(began)}`
  await Promise.all(connections.map(async (connection) => {
    for (;;) {
      const mine = sent++
      if (mine >= total) return
      const due = began + mine / total * forSeconds * 1_000
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())))
      await connection.send(noopEvent(at, `${run}-${mine}`))
    }
  }))
  for (const connection of connections) connection.close()
  return total * 4 / (performance.now() - began) * 1_000
}

const newContext = (browser: TestBrowser, state?: Awaited<ReturnType<BrowserContext["storageState"]>>) =>
  browser.browser.newContext({ viewport: desktop, ...(state === undefined ? {} : { storageState: state }) })

/** Bytes of a page's own files as they were sent, heads included, from now on. */
const countFiles = async (page: Page): Promise<() => number> => {
  const client = await page.context().newCDPSession(page)
  const files = new Set<string>()
  let bytes = 0
  client.on("Network.responseReceived", ({ requestId, response, type }) => {
    if (["Document", "Script", "Stylesheet", "Font", "Image"].includes(type) || response.url.includes("/assets/")) {
      files.add(requestId)
    }
  })
  client.on("Network.loadingFinished", ({ encodedDataLength, requestId }) => {
    if (files.has(requestId)) bytes += encodedDataLength
  })
  await client.send("Network.enable")
  return () => bytes
}

const screens = [
  "Approvals",
  "Chat",
  "Activity",
  "Tasks",
  "Schedules",
  "Rules",
  "Watchers",
  "Integrations",
  "Jobs",
  "Plugins",
  "Memory",
  "Costs",
  "Settings"
]

export const page = async ({ quick, verbose }: Options): Promise<void> => {
  const rows = quick ? 20_000 : 100_000
  title("The operator's page, in Chromium, from the loopback")
  if (missing().length > 0) return say("Left out: this machine has no chromium (on Debian, .ci/run installs it).")
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  await postgres.createDatabase("host")
  const database = await postgres.connect("host")
  await database.query(rowsOfYear, [String(rows)])
  await database.query("vacuum analyze audit_events")
  await database.close()
  const config = path.join(folder.path, "syris.config.ts")
  const plugin = (name: string) => JSON.stringify(path.join(root, "plugins", name, "index.ts"))
  fs.writeFileSync(
    config,
    `import { defineConfig } from "syris"
import dashboard from ${plugin("dashboard")}
import noop from ${plugin("noop")}
import webhook from ${plugin("webhook")}
export default defineConfig({ plugins: [dashboard(), noop(), webhook()] })
`
  )
  await using host = await startHost(path.join(folder.path, "home"), postgres.url("host"), { SYRIS_CONFIG: config })
  const origin = `http://${host.target.host}:${host.target.port}`
  const browser = await startBrowser()
  try {
    const answer = await fetch(`${origin}/login/codes`, {
      method: "POST",
      headers: { authorization: `Bearer ${host.target.token}`, "content-type": "application/json" },
      body: "{}"
    })
    const { code } = await answer.json() as { readonly code: string }
    const first = await newContext(browser)
    const firstPage = await first.newPage()
    await firstPage.goto(`${origin}/#${code}`)
    await firstPage.getByRole("heading", { level: 1, name: "Now" }).waitFor()
    const state = await first.storageState()
    await first.close()

    const paints: Array<number> = []
    const contents: Array<number> = []
    let files = 0
    for (let i = 0; i < (quick ? 3 : 9); i++) {
      const context = await newContext(browser, state)
      const cold = await context.newPage()
      const bytes = await countFiles(cold)
      await cold.goto(`${origin}/plugins/dashboard/`)
      await cold.getByRole("heading", { level: 1, name: "Now" }).waitFor()
      const [paint, content] = await cold.evaluate(`[
        performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
        performance.now()
      ]`) as [number, number]
      paints.push(paint)
      contents.push(content)
      files = bytes()
      if (verbose) say(`first paint ${paint.toFixed(0)} ms, heading ${content.toFixed(0)} ms`)
      await context.close()
    }
    target("first contentful paint, nothing cached, median", median(paints), "ms", "at most", 1_000)
    figure("the heading is there, as the driver sees it, median", median(contents), "ms")
    target("files of the first screen, as sent", files / 1_000, "kB", "at most", 200)

    const context = await newContext(browser, state)
    const shown = await context.newPage()
    const all = await countFiles(shown)
    await shown.goto(`${origin}/plugins/dashboard/`)
    for (const name of screens) {
      await shown.getByRole("navigation").getByRole("link", { name, exact: false }).first().click()
      await shown.getByRole("heading", { level: 1, name }).waitFor()
    }
    figure("files of every screen, as sent", all() / 1_000, "kB")

    using controls = await serveControls(rows)
    const control = await context.newPage()
    const length = quick ? 5 : 20
    for (const round of quick ? [1] : [1, 2]) {
      if (verbose) say(`round ${round}`)
      await control.bringToFront()
      await control.goto(`${controls.url}/empty`)
      sayFrames("control, an empty page", await framesDuring(control, false, () => seconds(length / 2)))
      await control.goto(`${controls.url}/list`)
      sayFrames("control, a plain list scrolls", await framesDuring(control, true, () => seconds(length)))
      await control.goto(`${controls.url}/empty`)
      sayFrames(
        "control, an empty page beside a host with 500 rows a second",
        await framesDuring(control, false, () => feed(host.target, 500, length))
      )

      await shown.bringToFront()
      await shown.goto(`${origin}/plugins/dashboard/activity`)
      await shown.getByRole("heading", { level: 1, name: "Activity" }).waitFor()
      await seconds(1)
      sayFrames(
        `Activity, ${rows.toLocaleString("en")} rows, scrolls`,
        await framesDuring(shown, true, () => seconds(length)),
        50
      )
      const seen = await shown.evaluate(
        `Math.max(0, ...[...document.querySelectorAll("[aria-setsize], [aria-rowcount]")]
          .map((one) => Number(one.getAttribute("aria-setsize") ?? one.getAttribute("aria-rowcount"))))`
      ) as number
      say(`Rows that it had then: ${seen.toLocaleString("en")}`)
      await shown.goto(`${origin}/plugins/dashboard/activity`)
      await shown.getByRole("heading", { level: 1, name: "Activity" }).waitFor()
      await seconds(1)
      let rate = 0
      const live = await framesDuring(shown, false, async () => {
        rate = await feed(host.target, 500, length)
      })
      sayFrames(`Activity, ${rate.toFixed(0)} rows a second come in`, live, 50)
      await shown.getByRole("navigation").getByRole("link", { name: "Now" }).first().click()
      await shown.getByRole("heading", { level: 1, name: "Now" }).waitFor()
      sayFrames(
        "Now, 500 rows a second come in",
        await framesDuring(shown, false, () => feed(host.target, 500, length)),
        50
      )
    }
    await context.close()
  } finally {
    await browser.close()
  }
}
