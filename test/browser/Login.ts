/** How the operator comes to the page: by the link that `npm start` and `syris open` print. */
import type { Page } from "playwright-core"
import type { HostProcess } from "../stories/HostProcess.ts"

/** A link that is good once. */
export const makeLink = async (host: HostProcess): Promise<string> => {
  const response = await host.request("/login/codes", { method: "POST", body: "{}" })
  if (!response.ok) throw new Error(`There is no link: ${response.status} ${await response.text()}`)
  const { code } = await response.json() as { readonly code: string }
  return `${host.url}/#${code}`
}

/** Opens one, and waits until the page is there. */
export const signIn = async (page: Page, host: HostProcess): Promise<void> => {
  await page.goto(await makeLink(host))
  await page.getByRole("heading", { level: 1, name: "Now" }).waitFor()
}
