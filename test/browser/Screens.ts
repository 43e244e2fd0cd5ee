/** How a test goes from screen to screen, and knows that one is there. */
import type { Page } from "playwright-core"

/** Waits for what has nothing more to ask for: it has its heading, no part says that it is busy, and the stream is there. */
export const isWhole = async (page: Page): Promise<void> => {
  await page.getByRole("heading", { level: 1 }).waitFor()
  await page.getByRole("status").filter({ hasText: /^Live$/ }).waitFor()
  // What a screen asks for is asked once it is drawn.
  await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
  await page.locator("main [aria-busy=true]").first().waitFor({ state: "detached" })
}

/** The page goes on by itself, as after a click on a link. */
export const goOn = (page: Page, to: string): Promise<void> =>
  page.evaluate((to) => (globalThis as any).history.pushState(null, "", to), to)
