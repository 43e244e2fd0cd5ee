/**
 * Tests: beside their source, and in `test/` where they cross folders. Two cores are enough: files run in two processes,
 * each with its own module graph and its own database schema.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { defineConfig } from "vitest/config"

const here = (file: string): string => path.join(import.meta.dirname, file)
const globalSetup = here("test/globalSetup.ts")

export default defineConfig({
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
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000
  }
})
