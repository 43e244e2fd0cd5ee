/** All that a plugin might try from within, each once. What it might say to the host is in `protocol.test.ts`, and `broker.test.ts`. */
import type { Attempt } from "./Attempt.ts"
import { codes } from "./attempts/code.ts"
import { memories } from "./attempts/memory.ts"
import { network } from "./attempts/network.ts"
import { programs } from "./attempts/programs.ts"
import { reading } from "./attempts/reading.ts"
import { writing } from "./attempts/writing.ts"

export const attempts: ReadonlyArray<Attempt> = [...writing, ...reading, ...programs, ...network, ...codes, ...memories]
