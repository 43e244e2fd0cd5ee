/**
 * Contenders that are measured in turns, A B A B, against the same PostgreSQL: what else the machine does meets all of them.
 */
import { familySeconds } from "./Processes.ts"
import { figure, median, say } from "./Report.ts"
import type { Run } from "./Subject.ts"

export interface Contender {
  /** How many a turn: enough for a few seconds. */
  readonly count: number
  readonly run: (count: number) => Promise<Run>
  /** Before each turn, not timed. */
  readonly tidy?: () => Promise<void>
}

export interface Turn extends Run {
  readonly perSecond: number
  /** Processor time for one, microseconds. */
  readonly nodeMicros: number
  readonly postgresMicros: number
}

const turn = async (postgresPid: number, { count, run, tidy }: Contender): Promise<Turn> => {
  await tidy?.()
  const before = familySeconds(postgresPid)
  const ran = await run(count)
  const postgres = familySeconds(postgresPid) - before
  return {
    ...ran,
    perSecond: count / ran.seconds,
    nodeMicros: ran.nodeSeconds / count * 1e6,
    postgresMicros: postgres / count * 1e6
  }
}

/** After so long no further round begins, once there are three. */
export const enoughSeconds = 150

export interface Turns<Name extends string> {
  readonly perSecond: (name: Name) => number
  /** Median of the ratios of the rounds. */
  readonly ratio: (over: Name, under: Name) => number
  readonly show: (name: Name, as: string, unit?: string) => void
}

export const inTurns = async <Name extends string>(
  postgresPid: number,
  contenders: Readonly<Record<Name, Contender>>,
  rounds: number,
  verbose: boolean
): Promise<Turns<Name>> => {
  const all = Object.entries<Contender>(contenders) as unknown as ReadonlyArray<[Name, Contender]>
  const turns = new Map<Name, Array<Turn>>(all.map(([name]) => [name, []]))
  // Plans are kept and code is compiled from the first runs on.
  for (const [, contender] of all) await turn(postgresPid, { ...contender, count: Math.ceil(contender.count / 4) })
  const began = performance.now()
  for (let round = 0; round < rounds; round++) {
    if (round >= 3 && performance.now() - began > enoughSeconds * 1_000) break
    for (const [name, contender] of all) turns.get(name)?.push(await turn(postgresPid, contender))
    if (verbose) say(all.map(([name]) => `${name} ${turns.get(name)?.at(-1)?.perSecond.toFixed(0)}`).join("   "))
  }
  const of = (name: Name) => turns.get(name) ?? []
  const perSecond = (name: Name) => median(of(name).map((each) => each.perSecond))
  return {
    perSecond,
    ratio: (over, under) =>
      median(of(over).map((each, round) => each.perSecond / (of(under)[round]?.perSecond ?? Number.NaN))),
    show: (name, as, unit = "/s") => {
      const micros = (part: "nodeMicros" | "postgresMicros") => median(of(name).map((each) => each[part])).toFixed(0)
      figure(as, perSecond(name), unit, `Node ${micros("nodeMicros")}, PostgreSQL ${micros("postgresMicros")} µs each`)
    }
  }
}
