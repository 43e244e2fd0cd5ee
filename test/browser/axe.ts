/**
 * What keeps people from using a page, as far as axe-core finds it. Its source is handed to the browser by the debugger's
 * protocol, so the page keeps its content security policy meanwhile.
 */
import * as fs from "node:fs"
import { createRequire } from "node:module"
import type { Page } from "playwright-core"

const source = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

interface Violation {
  readonly id: string
  readonly help: string
  readonly impact: string | null
  readonly nodes: ReadonlyArray<
    { readonly target?: ReadonlyArray<unknown>; readonly html: string; readonly failureSummary?: string }
  >
}

interface Axe {
  readonly run: (options: object) => Promise<{ readonly violations: ReadonlyArray<Violation> }>
}

/** Where each element is comes from a second look, which a page without violations does not need. */
const looks = { resultTypes: ["violations"], selectors: false, preload: { assets: ["media"] } }

const inWords = ({ help, id, impact, nodes }: Violation): ReadonlyArray<string> =>
  nodes.slice(0, 5).map(({ failureSummary = "", html, target = [] }) =>
    `${impact}: ${help} (${id}) at ${target.join(" ")}: ${html.slice(0, 160)}. ${failureSummary.replace(/\s+/g, " ")}`
  )

/** Each serious or critical violation as a sentence; of one rule where it is named. */
export const violationsOf = async (page: Page, only?: string): Promise<ReadonlyArray<string>> => {
  const known = await page.evaluate(() => "axe" in globalThis)
  if (!known) await page.evaluate(source)
  const look = async (more: object): Promise<ReadonlyArray<Violation>> => {
    const { violations } = await page.evaluate(
      (options) => (globalThis as unknown as { readonly axe: Axe }).axe.run(options),
      { ...looks, ...(only === undefined ? {} : { runOnly: [only] }), ...more }
    )
    return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
  }
  const found = await look({})
  if (found.length === 0) return []
  const placed = await look({ selectors: true })
  return (placed.length === 0 ? found : placed).flatMap(inWords)
}
