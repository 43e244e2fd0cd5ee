/** Pictures of the pages, for the README and for whoever looks at what a change has made of them. */
import * as fs from "node:fs"
import * as path from "node:path"
import type { Page } from "playwright-core"

/** `SYRIS_SHOTS` names another folder. */
const folder = (): string =>
  process.env["SYRIS_SHOTS"] ?? path.resolve(import.meta.dirname, "..", "..", "dist", "screenshots")

/** Writes `<name>-<variant>.png`: the whole page, as high as it is, or what is in view. */
export const shoot = async (page: Page, name: string, variant: string, fullPage = true): Promise<void> => {
  fs.mkdirSync(folder(), { recursive: true })
  await page.screenshot({
    path: path.join(folder(), `${name}-${variant}.png`),
    fullPage,
    animations: "disabled",
    caret: "hide"
  })
}
