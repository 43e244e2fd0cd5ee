/**
 * For memory: more than it was granted, of every kind. Each takes 256 MiB, twice what it may have with its runtime, and touches
 * all of it; what is looked at every so often keeps it until somebody must have looked.
 */
import { type Attempt, row } from "../Attempt.ts"

const memory = (name: string, what: string, attempt: string, more: Partial<Attempt> = {}): Attempt => ({
  name,
  what,
  attempt,
  row: row.memory,
  alone: true,
  ...more
})

export const memories: ReadonlyArray<Attempt> = [
  memory(
    "memory of WebAssembly",
    "It takes a memory of WebAssembly and touches all of it.",
    `
    const memory = new WebAssembly.Memory({ initial: 1024, maximum: 65536 })
    for (let i = 0; i < 4; i++) {
      const from = i === 0 ? 0 : memory.grow(1024) * 65536
      new Uint8Array(memory.buffer, from).fill(1)
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    await new Promise((resolve) => setTimeout(resolve, world.patience))
    return some(memory.buffer.byteLength)`
  ),
  memory(
    "buffers",
    "It takes buffers, its own and shared ones, and touches all of them.",
    `
    const kept = []
    for (let i = 0; i < 4; i++) {
      kept.push(new Uint8Array(33_554_432).fill(1), new Uint8Array(new SharedArrayBuffer(33_554_432)).fill(1))
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    await new Promise((resolve) => setTimeout(resolve, world.patience))
    return some(kept.length)`
  ),
  memory(
    "heap",
    "It keeps lists of numbers without end.",
    `
    const kept = []
    for (let i = 0; i < 200; i++) {
      kept.push(new Array(100_000).fill(i + 0.5))
      if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return some(kept.length)`,
    { row: row.heap }
  )
]
