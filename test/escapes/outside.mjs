/**
 * Makes the same attempts outside of any isolate: a plain process of Node or Deno, with every right. A line in says which, a line
 * out says what came of it.
 */
import { createInterface } from "node:readline"
import process from "node:process"

const { attempts } = await import(process.argv[2])
const say = process.stdout.write.bind(process.stdout)

process.on("uncaughtException", (error) => process.stderr.write(`${String(error)}\n`))
process.on("unhandledRejection", (error) => process.stderr.write(`${String(error)}\n`))
say(`${JSON.stringify({ ready: true })}\n`)

const attempt = async (line) => {
  const { id, name, world } = JSON.parse(line)
  let told
  try {
    told = { proof: (await attempts[name](world, { fetch })) ?? null }
  } catch (error) {
    told = { proof: null, denied: `${error?.code ?? error?.name}: ${error?.message ?? error}` }
  }
  say(`${JSON.stringify({ id, ...told })}\n`)
}
createInterface({ input: process.stdin }).on("line", (line) => void attempt(line)).on("close", () => process.exit(0))
