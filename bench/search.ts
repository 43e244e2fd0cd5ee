/**
 * One page of a search for a text that no row has, beside a million audit rows, through HTTP; the control is the same page
 * without the text. `BENCH_AUDIT_ROWS` sets how many rows there are; `--quick` uses 200 000.
 */
import * as path from "node:path"
import { fillAudit } from "./auditPage.ts"
import { connect, request } from "./HttpLoad.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { startHost, startPostgres, temporaryFolder } from "./Setup.ts"

interface Page {
  readonly items: ReadonlyArray<unknown>
  readonly next_cursor?: string
  readonly searched_until?: string
}

export const search = async (options: Options): Promise<void> => {
  const rows = Number(process.env["BENCH_AUDIT_ROWS"] ?? (options.quick ? 200_000 : 1_000_000))
  title(`Search: a text that no row has, beside ${rows.toLocaleString("en")} audit rows, through HTTP`)
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  await postgres.createDatabase("host")
  const database = await postgres.connect("host")
  await fillAudit(database, rows, options)
  await using host = await startHost(path.join(folder.path, "home"), postgres.url("host"))
  const http = await connect(host.target.host, host.target.port)
  const ask = async (of: string): Promise<{ readonly ms: number; readonly page: Page }> => {
    const from = performance.now()
    const answer = await http.send(request(host.target, "GET", of))
    const ms = performance.now() - from
    if (answer.status !== 200) throw new Error(`${of} was answered ${answer.status}.`)
    return { ms, page: JSON.parse(answer.body) as Page }
  }

  const without: Array<number> = []
  const withText: Array<number> = []
  const ratios: Array<number> = []
  for (let i = 0; i < (options.quick ? 15 : 40); i++) {
    const control = await ask("/audit?limit=100")
    const searched = await ask("/audit?limit=100&text=nowhere-to-be-found")
    if (searched.page.items.length !== 0) throw new Error("The text was found.")
    without.push(control.ms)
    withText.push(searched.ms)
    ratios.push(searched.ms / control.ms)
  }
  figure("the page without a text, median", median(without), "ms")
  figure("the page of a search that finds nothing, median", median(withText), "ms")
  target("the same, p95", percentile(withText, 0.95), "ms", "at most", 300)
  figure("the search / the page without, median of the ratios", median(ratios), "")

  let pages = 0
  let longest = 0
  const began = performance.now()
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const { ms, page } = await ask(
      `/audit?limit=100&text=nowhere-to-be-found${cursor === "" ? "" : `&cursor=${cursor}`}`
    )
    longest = Math.max(longest, ms)
    cursor = page.next_cursor
    pages++
  }
  const seconds = (performance.now() - began) / 1_000
  figure("all rows, page by page", seconds, "s", `${pages} pages`)
  figure("rows looked at", rows / seconds, "/s")
  target("the longest page", longest, "ms", "at most", 300)
  const day = 86_400_000
  const since = encodeURIComponent(new Date(Date.now() - 12 * day).toISOString())
  const until = encodeURIComponent(new Date(Date.now() - 11 * day).toISOString())
  const between = await ask(`/audit?limit=100&text=nowhere-to-be-found&since=${since}&until=${until}`)
  figure(
    "the first page of a day of eleven days ago",
    between.ms,
    "ms",
    between.page.next_cursor === undefined ? "all of it" : ""
  )
  const channel = await ask("/audit?limit=100&channel=mqtt")
  figure(
    "the first page of a channel that no event has",
    channel.ms,
    "ms",
    `back to ${channel.page.searched_until ?? "the first row"}`
  )
  http.close()
  if (options.verbose) {
    const sizes = await database.query("select count(*), max(length(data::text || summary)) from audit_events")
    for (const [count, length] of sizes) say(`${count} rows, the longest has ${length} characters`)
  }
  await database.close()
}
