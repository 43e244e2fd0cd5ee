/** One way in which a plugin might try to get out of its isolate, and where it can be shown that it would be one. */

/** What the isolates of strangers run in; `thread` holds nobody who means harm, and is refused to them. */
export const runtimes = ["deno", "process"] as const
export type EscapeRuntime = typeof runtimes[number]

type PerRuntime = Partial<Record<EscapeRuntime, string>>

export interface Attempt {
  readonly name: string
  /** One sentence. */
  readonly what: string
  /**
   * The body of an async function of `world` and `ctx`. Gives back a proof where it got out; throws, or gives back nothing,
   * where it was held. The same text runs in the isolate and outside of it.
   */
  readonly attempt: string
  /** Where it can be tried at all. Default: everywhere. */
  readonly triedIn?: ReadonlyArray<EscapeRuntime>
  /** `online`: in the isolate that was granted one host. Default: in the one without any network. */
  readonly where?: "offline" | "online"
  /** The row of "What each runtime stops" in `docs/isolates.md` that it stands for. */
  readonly row?: string
  /** Where it does get out, and why nobody stops it: the row of the table says so, too. */
  readonly notStopped?: PerRuntime
  /** A process is held by namespaces alone: where the kernel has none, it is not. */
  readonly byNamespaces?: boolean
  /** Where it can't be shown outside, and why. */
  readonly noControl?: PerRuntime
  /** It takes what the isolate lives on: it has one for itself. */
  readonly alone?: boolean
}

/** Of the table in the docs. */
export const row = {
  read: "read a file that was not granted, `/proc`",
  write: "write outside its own folder and the grant",
  makeLink: "make a link that leads out",
  followLink: "follow a link in a folder that you granted",
  program: "start a program, load native code",
  environment: "see the host's environment",
  signal: "signal the host or others",
  noNetwork: "reach the network with nothing in `net`",
  otherHosts: "reach others than `net` names",
  socketFile: "connect to a socket file",
  code: "import code from elsewhere",
  memory: "take more memory beside the heap",
  heap: "take more heap than `memoryMb`",
  handle: "change rights, times or owner of a file that it may read",
  exists: "learn whether a file is there",
  machine: "learn of the machine: its name, its users",
  hostMemory: "read what the host has in memory"
} as const
