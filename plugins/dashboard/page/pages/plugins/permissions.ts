/** What a plugin asked for beside what it was granted. Pure. */
import type { PluginRecord } from "syris/records"
import { counted } from "../../parts/counted.ts"

type Permissions = PluginRecord["permissions"]

export interface Asked {
  readonly kind: string
  readonly item: string
  readonly is: "granted" | "refused" | "not_asked"
}

const itemsOf = (permissions: Permissions): ReadonlyArray<readonly [kind: string, item: string]> =>
  Object.entries(permissions).flatMap(([kind, items]) => items.map((item) => [kind, item] as const))

const has = (permissions: Permissions, kind: string, item: string): boolean =>
  Object.hasOwn(permissions, kind) && permissions[kind]?.includes(item) === true

/** What was asked for and not granted comes first. */
export const sideBySide = (asked: Permissions, granted: Permissions): ReadonlyArray<Asked> => {
  const all: ReadonlyArray<Asked> = [
    ...itemsOf(asked).map(([kind, item]): Asked => ({
      kind,
      item,
      is: has(granted, kind, item) ? "granted" : "refused"
    })),
    ...itemsOf(granted).filter(([kind, item]) => !has(asked, kind, item)).map(([kind, item]): Asked => ({
      kind,
      item,
      is: "not_asked"
    }))
  ]
  return [...all.filter((one) => one.is === "refused"), ...all.filter((one) => one.is !== "refused")]
}

const kinds: Readonly<Record<string, string>> = {
  net: "reach over the network",
  read: "read files in",
  write: "write files in",
  env: "see the variable",
  secrets: "use the secret",
  tools: "call the tool"
}

/** `reach over the network`. A kind of permission that is new is shown by its name. */
export const kindInWords = (kind: string): string => (Object.hasOwn(kinds, kind) ? kinds[kind] : undefined) ?? kind

const parts: ReadonlyArray<readonly [Exclude<keyof PluginRecord["provides"], "rules">, string, string]> = [
  ["tools", "tool", "tools"],
  ["tasks", "task", "tasks"],
  ["intents", "sentence that it understands", "sentences that it understands"],
  ["channels", "channel", "channels"],
  ["watchers", "watcher", "watchers"],
  ["jobs", "kind of job", "kinds of jobs"],
  ["routes", "address of its own", "addresses of its own"]
]

export interface Brought {
  /** `2 tools`. */
  readonly words: string
  readonly names: ReadonlyArray<string>
}

export const broughtBy = (provides: PluginRecord["provides"]): ReadonlyArray<Brought> => [
  ...parts.flatMap(([part, one, many]): ReadonlyArray<Brought> => {
    const names = provides[part]
    return names.length === 0 ? [] : [{ words: counted(names.length, one, many), names }]
  }),
  ...(provides.rules === 0
    ? []
    : [{ words: counted(provides.rules, "rule"), names: [] }])
]

export const whereInWords = (runtime: string): string =>
  runtime === "inline"
    ? "In the host itself"
    : runtime === "thread"
    ? "Apart from the host, in a thread"
    : runtime === "process" || runtime === "deno"
    ? `Apart from the host, in a process of its own (${runtime === "deno" ? "Deno" : "Node"})`
    : `Apart from the host (${runtime})`
