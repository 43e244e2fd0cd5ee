/**
 * Tests: beside their source, and in `test/` where they cross folders. Two cores are enough: files run in two processes,
 * each with its own module graph and its own database schema.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { defineConfig } from "vitest/config"

const here = (file: string): string => path.join(import.meta.dirname, file)
// Through the barrels of `effect` every file of tests would load all of it.
const { direct } = await import(pathToFileURL(here("bin/build.mjs")).href) as {
  readonly direct: { readonly name: string }
}
const globalSetup = here("test/globalSetup.ts")

export default defineConfig({
  plugins: [{ ...direct, enforce: "pre" }],
  resolve: {
    alias: [
      { find: /^syris$/, replacement: here("core/plugin/index.ts") },
      { find: /^syris\/testing$/, replacement: here("core/testing/index.ts") },
      { find: /^syris\/plugins\/([^/]+)$/, replacement: here("plugins/$1/index.ts") }
    ]
  },
  test: {
    include: ["{core,plugins,sandbox,test}/**/*.test.ts"],
    globalSetup: fs.existsSync(globalSetup) ? [globalSetup] : [],
    pool: "forks",
    execArgv: ["--import", pathToFileURL(here("test/compileCache.mjs")).href],
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000
  }
})
