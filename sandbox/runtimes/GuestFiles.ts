/** The program on the other side, as a runtime is told of it. */
import * as path from "node:path"

export interface GuestFiles {
  /** The module that is run; of a thread one whose default export takes `{ port }` and settles when it is over. */
  readonly entry: string
  /** What it is read from besides. */
  readonly files: ReadonlyArray<string>
  /** Flags of Deno before it. */
  readonly flags?: ReadonlyArray<string>
  /** A prepared `DENO_DIR` with what Deno made of these files, where there is one: each isolate has a copy of its own. */
  readonly denoDir?: string
}

const fromSources = import.meta.filename.endsWith(".ts")

/** The folder of the bundle that this module is part of. */
const bundle = path.basename(import.meta.dirname) === "chunks" ? path.dirname(import.meta.dirname) : import.meta.dirname
const root = path.resolve(import.meta.dirname, "../..")

/** Of a thread or a process of Node. */
export const nodeGuest = (runtime: "thread" | "process"): GuestFiles =>
  fromSources
    ? {
      entry: path.join(root, "sandbox", "guest", `guest-${runtime}.entry.ts`),
      files: ["core", "sandbox", "plugins", "node_modules", "package.json"].map((name) => path.join(root, name))
    }
    : { entry: path.join(bundle, `guest-${runtime}.js`), files: [bundle] }
