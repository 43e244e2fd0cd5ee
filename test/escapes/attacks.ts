/**
 * What a plugin might say to the host past the program that speaks for it: it writes on the pipe itself, and hears every answer.
 *
 * The body of an async function of `world` (`mine`: the id of its own invocation; `earlier`: of one that has ended) and `line`:
 * `send(message)`, `raw(bytes)`, and `ask(params, id?)`, which settles with the host's answer to a question.
 */
export interface Attack {
  readonly name: string
  readonly what: string
  readonly attack: string
  /** The host ends whoever does that, with these words. */
  readonly ends?: RegExp
  /** The host hears nothing more of it, and goes on. */
  readonly silent?: true
}

const asked = (params: string): string => `return (await line.ask(${params})).result`

export const attacks: ReadonlyArray<Attack> = [
  {
    name: "a method that every object has: constructor",
    what: "It asks for what is not a question of the host's, but a property of it.",
    attack: asked(`{ invocation: world.mine, method: "constructor", args: ["a"] }`)
  },
  {
    name: "a method that every object has: toString",
    what: "The same by another name.",
    attack: asked(`{ invocation: world.mine, method: "toString", args: [] }`)
  },
  {
    name: "a method that every object has: hasOwnProperty",
    what: "The same by another name.",
    attack: asked(`{ invocation: world.mine, method: "hasOwnProperty", args: ["secret"] }`)
  },
  {
    name: "a method that looks into objects",
    what: "It asks for what looks into objects of the host.",
    attack:
      `return "result" in await line.ask({ invocation: world.mine, method: "__lookupGetter__", args: ["a"] }) ? "asked" : undefined`
  },
  {
    name: "an invocation that never was",
    what: "It asks for a run that the host never began.",
    attack: asked(`{ invocation: world.mine + 40, method: "secret", args: ["door", "code"] }`)
  },
  {
    name: "an invocation with a strange number",
    what: "It asks for a run whose number is a text.",
    attack: asked(`{ invocation: String(world.mine), method: "secret", args: ["door", "code"] }`)
  },
  {
    name: "an invocation that has ended",
    what: "It goes on asking when its run is over.",
    attack: asked(`{ invocation: world.earlier, method: "secret", args: ["door", "code"] }`)
  },
  {
    name: "the prototype of all objects",
    what: "It hands over an object that reaches the prototype of the host's objects.",
    attack: asked(`{ invocation: world.mine, method: "emit", args: [JSON.parse('{"__proto__": {"escaped": true}}')] }`)
  },
  {
    name: "the prototype of all objects, the long way",
    what: "It reaches the prototype by the constructor.",
    attack: asked(
      `{ invocation: world.mine, method: "emit", args: [JSON.parse('{"constructor": {"prototype": {"escaped": true}}}')] }`
    )
  },
  {
    name: "an answer before the question",
    what: "It answers what the host will ask next, in its place.",
    attack: `line.send({ id: world.mine + 1, result: { output: "forged" } })`
  },
  {
    name: "an answer under a text",
    what: "It answers under a number that is a text.",
    attack: `line.send({ id: String(world.mine + 1), result: { output: "forged" } })`
  },
  {
    name: "a method of the host itself",
    what: "It tells the host what only the host may tell it.",
    attack: `return (await line.request("shutdown", {})).result`
  },
  {
    name: "depth without end",
    what: "It hands over lists in lists that overflow whoever walks through them.",
    attack: `
    let text = "1"
    text = "[".repeat(50_000) + text + "]".repeat(50_000)
    const answer = await line.ask({ invocation: world.mine, method: "emit", args: [{ a: "~deep~" }] }, text)
    return "result" in answer ? "taken" : undefined`
  },
  {
    name: "a frame that is too long",
    what: "It announces a gibibyte.",
    attack: `line.raw(new Uint8Array([0x40, 0, 0, 0, 123, 125]))`,
    ends: /it sent a frame of 1073741824 bytes/
  },
  {
    name: "junk",
    what: "It writes what is no message.",
    attack: `line.raw(new TextEncoder().encode("\\0\\0\\0\\u0004junk"))`,
    ends: /it sent what is no JSON/
  },
  {
    name: "a frame without its end",
    what: "It announces a frame, and stays silent.",
    attack: `line.raw(new Uint8Array([0, 1, 0, 0, 123]))`,
    silent: true
  },
  {
    name: "answers without end",
    what: "It tries one number after the other.",
    attack: `for (let id = 5_000; id < 5_101; id++) line.send({ id, result: { output: "forged" } })`,
    ends: /it broke the protocol 101 times/
  }
]
