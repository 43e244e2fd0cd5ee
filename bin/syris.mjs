#!/usr/bin/env node
// Starts the `syris` command: installs what is missing, builds the bundle if the sources are newer than it,
// and runs it under the Node that comes with SYRIS. Runs on any Node from 20 on.
// SYRIS_NO_BUNDLE=1 runs the TypeScript sources as they are.
import { spawn, spawnSync } from "node:child_process"
import * as module from "node:module"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { currentBundle } from "./build.mjs"
import { isPageCurrent } from "./build-page.mjs"
import { ensureSetup, pinnedNode, requiredNode, root, SetupError } from "./setup.mjs"

const main = async () => {
  ensureSetup()
  if (Number(process.versions.node.split(".")[0]) < requiredNode) return runUnder(pinnedNode())
  if (process.argv[2] === "up" && !isPageCurrent()) built("build-page.mjs", "said")
  const bundle = process.env.SYRIS_NO_BUNDLE === "1" ? undefined : bundled()
  if (bundle === undefined) return await import(pathToFileURL(path.join(root, "core", "cli", "main.ts")).href)
  module.enableCompileCache(path.join(bundle, ".cache"))
  const [command, ...rest] = process.argv.slice(2)
  const host = command === "up" && rest.every((word) => word === "--verbose")
  await import(pathToFileURL(path.join(bundle, host ? "up.js" : "cli.js")).href)
  // A host that lives long, or is killed, would never write what it compiled.
  setTimeout(() => module.flushCompileCache(), 3_000).unref()
}

const bundled = () => currentBundle() ?? built("build.mjs")

// Built in a process of its own: the bundler's memory is not the host's. A host runs without what can't be built; where
// that is because nothing can be written there, in silence if it is only slower then.
const built = (script, unwritable = "in silence") => {
  const made = spawnSync(process.execPath, [fileURLToPath(new URL(script, import.meta.url))], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"]
  })
  if (made.status === 0) return made.stdout.trim()
  if (made.status !== 3 || unwritable === "said") process.stderr.write(made.stderr)
  return undefined
}

const runUnder = (node) => {
  const child = spawn(node, [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit"
  })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => void child.kill(signal))
  child.on("error", (error) => {
    process.stderr.write(`The Node of SYRIS can't be started (${error.message}): run \`npm ci\` in ${root}.\n`)
    process.exitCode = 1
  })
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code)
    for (const each of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(each)
    process.kill(process.pid, signal)
  })
}

try {
  await main()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
