/**
 * Debian's Chromium, driven by Playwright: one browser for a file of tests, a context for each visit. A visit notes whatever
 * must not happen to a person's page (an error, a breach of the content security policy, a request to somewhere else, one that
 * fails), and its end fails the test where any of it was not expected.
 */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"
import * as fs from "node:fs"
import { pathOf } from "../servers/ServerProcess.ts"

const program = (): string | undefined => {
  const named = process.env["CHROMIUM"]
  if (named !== undefined && named !== "") return fs.existsSync(named) ? named : undefined
  return pathOf("chromium")
}

/** What the tests of the page need, and this machine lacks. */
export const missing = (): ReadonlyArray<string> => program() === undefined ? ["chromium"] : []

export const phone = { width: 390, height: 844 } as const
export const desktop = { width: 1280, height: 800 } as const

/** Not the operator's zone, and none that a host of a test has. */
export const foreignZone = "Pacific/Auckland"

export interface VisitOptions {
  /** What the page is allowed to ask: `http://127.0.0.1:4747`. */
  readonly origin: string
  readonly scheme?: "light" | "dark"
  readonly phone?: boolean
  readonly state?: Awaited<ReturnType<BrowserContext["storageState"]>>
}

export interface Visit {
  readonly context: BrowserContext
  readonly page: Page
  /** What went wrong since it was asked last, and was not expected. */
  readonly faults: () => ReadonlyArray<string>
  /** What is no fault from now on. Answers what makes it one again. */
  readonly expecting: (fault: RegExp) => () => void
  /** Another tab of the same person. */
  readonly tab: () => Promise<Page>
  /** Closes it, and fails where something went wrong. */
  readonly end: () => Promise<void>
}

export interface TestBrowser {
  readonly browser: Browser
  readonly visit: (options: VisitOptions) => Promise<Visit>
  readonly close: () => Promise<void>
}

const tellViolations = `addEventListener("securitypolicyviolation", ({ blockedURI, violatedDirective }) =>
  console.error("The content security policy was broken: " + violatedDirective + " " + blockedURI))`

const watch = (context: BrowserContext, origin: string, note: (fault: string) => void): void => {
  context.on("request", (request) => {
    const { origin: asked, protocol } = new URL(request.url())
    if (protocol === "data:" || protocol === "blob:" || asked === origin) return
    note(`a request to elsewhere: ${request.url()}`)
  })
  context.on("requestfailed", (request) => {
    const why = request.failure()?.errorText ?? "nobody knows why"
    // What the page itself gave up, or what ended with it.
    if (why !== "net::ERR_ABORTED") note(`a request failed: ${request.method()} ${request.url()}: ${why}`)
  })
  context.on("response", (response) => {
    if (response.status() >= 400) {
      note(`a request was refused: ${response.request().method()} ${response.url()}: ${response.status()}`)
    }
  })
  context.on("console", (message) => {
    if (message.type() === "error") note(`an error in the console: ${message.text()} (${message.location().url})`)
  })
  context.on("weberror", (error) => note(`an error of the page: ${error.error().stack ?? error.error().message}`))
}

/** Starts it; whoever does closes it. */
export const startBrowser = async (): Promise<TestBrowser> => {
  const browser = await chromium.launch({
    executablePath: program()!,
    headless: true,
    args: [...process.getuid?.() === 0 ? ["--no-sandbox"] : [], "--disable-dev-shm-usage"]
  })
  return {
    browser,
    close: () => browser.close(),
    visit: async ({ origin, phone: onPhone = false, scheme = "light", state }) => {
      const context = await browser.newContext({
        viewport: onPhone ? phone : desktop,
        isMobile: onPhone,
        hasTouch: onPhone,
        colorScheme: scheme,
        reducedMotion: "reduce",
        timezoneId: foreignZone,
        locale: "en-GB",
        ...(state === undefined ? {} : { storageState: state })
      })
      context.setDefaultTimeout(45_000)
      const faults: Array<string> = []
      const expected = new Set<RegExp>()
      watch(context, origin, (fault) => {
        if (![...expected].some((one) => one.test(fault))) faults.push(fault)
      })
      await context.addInitScript({ content: tellViolations })
      const page = await context.newPage()
      return {
        context,
        page,
        faults: () => faults.splice(0),
        expecting: (fault) => {
          expected.add(fault)
          return () => void expected.delete(fault)
        },
        tab: () => context.newPage(),
        end: async () => {
          await context.close()
          if (faults.length > 0) throw new Error(`In the browser went wrong:\n${faults.join("\n")}`)
        }
      }
    }
  }
}
