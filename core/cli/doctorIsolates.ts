/**
 * What can be wrong with plugins that run apart from the host: whether this machine can hold them, and what the running host says
 * of them. Nothing is started but a look at what the kernel allows.
 */
import type { Kernel } from "../../sandbox/runtimes/Kernel.ts"
import { visible } from "../contract/Visible.ts"
import type { IsolateSettings } from "../plugin/IsolateSettings.ts"
import type { Check, Machine } from "./doctorChecks.ts"

/** What the running host says of a plugin. */
export interface PluginState {
  readonly name: string
  readonly runtime: string
  readonly state: string
  readonly last_error?: string
  readonly held?: unknown
}

/** One check for the machine, and one for each plugin that is not well, or whose host does not run. */
export const isolateChecks = async (machine: Machine): Promise<ReadonlyArray<Check>> => {
  const listed = await machine.isolates(machine.config).catch(() => [])
  const around = await machine.kernel().then(
    (kernel) => holding(kernel, listed),
    (error): Check => ({
      name,
      status: "warn",
      message: `What this machine can do to hold a plugin could not be found out: ${visible(String(error))}.`
    })
  )
  if (listed.length === 0) return [around]
  const running = await machine.plugins().catch(() => undefined)
  const apart = (running ?? []).filter(({ runtime }) => runtime !== "inline")
  return [around, ...apart.map(said)]
}

const name = "isolates"

const holding = ({ deno, namespaces, proc }: Kernel, listed: ReadonlyArray<IsolateSettings>): Check => {
  if ("missing" in deno) {
    const needed = listed.some(({ runtime }) => runtime === "deno")
    return { name, status: needed ? "fail" : "warn", message: sentence(deno.missing) }
  }
  if (!proc) {
    return {
      name,
      status: "warn",
      message:
        "There is no /proc here, so the memory of isolates can't be watched: mount it, or run only what you trust."
    }
  }
  if (namespaces === undefined) {
    const message = "Deno is there; the kernel gives isolates no namespaces of their own, and what that means is in " +
      "docs/isolates.md"
    // Where nothing runs apart there is nothing to mend.
    return listed.length === 0 ? { name, status: "ok", message } : {
      name,
      status: "warn",
      message: `${message}: allow unprivileged user namespaces, if you may.`
    }
  }
  return { name, status: "ok", message: "Deno is there, and the kernel gives isolates namespaces of their own" }
}

const sentence = (words: string): string => {
  const shown = visible(words)
  return `${shown.charAt(0).toUpperCase()}${shown.slice(1).replace(/\.$/, "")}.`
}

const said = ({ held, last_error, name, runtime, state }: PluginState): Check => {
  const plugin = `plugin ${visible(name)}`
  const error = last_error === undefined ? "" : ` ${visible(last_error)}`
  if (state === "held" || held !== undefined) {
    return {
      name: plugin,
      status: "warn",
      message: `It is not what you granted, so it is held: see syris plugins diff ${visible(name)}`
    }
  }
  return state === "running"
    ? { name: plugin, status: "ok", message: `runs apart from the host (${visible(runtime)})` }
    : {
      name: plugin,
      status: "warn",
      message: `It does not run (${visible(state)}).${error} See: syris plugins ${visible(name)}`
    }
}
