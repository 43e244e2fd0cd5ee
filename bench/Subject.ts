/**
 * A process that a bench gives orders to, over the channel that Node makes for its children: what is measured runs there,
 * with its own clock and its own processor time, and nothing of the bench beside it.
 */
import { once } from "node:events"
import { start, type Started } from "./Setup.ts"

/** What a process that can be measured understands: a name, a plain argument, a plain answer. */
export type Orders = Readonly<Record<string, (argument: never) => Promise<unknown>>>

interface Order {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** For the child: answers orders until the bench ends. */
export const takeOrders = (orders: Orders): void => {
  const send = (answer: Answer | "ready") => process.send?.(answer)
  process.on("disconnect", () => process.exit())
  process.on("message", ({ argument, id, name }: Order) => {
    const order = orders[name]
    const done = order === undefined
      ? Promise.reject(new Error(`No order is called ${name}.`))
      : order(argument as never)
    done.then(
      (value) => send({ id, value }),
      (error: unknown) => send({ id, error: error instanceof Error ? error.stack ?? error.message : String(error) })
    )
  })
  send("ready")
}

export interface Subject<Of extends Orders> extends Started {
  readonly pid: number
  readonly ask: <Name extends keyof Of & string>(
    name: Name,
    ...argument: Parameters<Of[Name]>
  ) => ReturnType<Of[Name]>
}

/** For the bench: starts a file of `bench/` and waits until it takes orders. */
export const startSubject = async <Of extends Orders>(
  file: string,
  env: Readonly<Record<string, string>>
): Promise<Subject<Of>> => {
  const started = start([file], env, process.execPath, true)
  const { child } = started
  const waiting = new Map<number, (answer: Answer) => void>()
  const ended = once(child, "exit").then(([code]) => {
    const error = `${file} ended with ${String(code)}.`
    for (const [id, resolve] of waiting) resolve({ id, error })
    return error
  })
  const ready = new Promise<void>((resolve) => {
    child.on("message", (message: Answer | "ready") => {
      if (message === "ready") return resolve()
      waiting.get(message.id)?.(message)
      waiting.delete(message.id)
    })
  })
  const failed = await Promise.race([ready, ended])
  if (failed !== undefined) throw new Error(failed)
  let orders = 0
  const ask = async (name: string, argument: unknown) => {
    const id = ++orders
    const answer = await new Promise<Answer>((resolve) => {
      waiting.set(id, resolve)
      child.send({ id, name, argument } satisfies Order)
    })
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer.value
  }
  return { ...started, pid: child.pid ?? 0, ask: ask as unknown as Subject<Of>["ask"] }
}

/** How long a run took, and what it took of the processor in the process that ran it. */
export interface Run {
  readonly seconds: number
  readonly nodeSeconds: number
}

export const timed = async (run: () => Promise<unknown>): Promise<Run> => {
  const used = process.cpuUsage()
  const began = performance.now()
  await run()
  const seconds = (performance.now() - began) / 1_000
  const { system, user } = process.cpuUsage(used)
  return { seconds, nodeSeconds: (system + user) / 1e6 }
}

/** Runs `count` of them, `atOnce` under way at any time. */
export const keepUnderWay = async (count: number, atOnce: number, run: () => Promise<unknown>): Promise<void> => {
  let left = count
  const one = async () => {
    while (left-- > 0) await run()
  }
  await Promise.all(Array.from({ length: Math.min(count, atOnce) }, one))
}

/** Milliseconds of a clock that all processes of a machine share. */
export const sharedClock = (): number => Number(process.hrtime.bigint()) / 1e6
