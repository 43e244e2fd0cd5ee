/**
 * Finds what is meant by "the kitchen lights" among the things of a house, or says what else might be.
 *
 * - What is taken is a whole name, an alias, an id, a place, or one of these with the word for a kind of thing. What is only
 *   alike is never taken: it is offered.
 * - A name goes before a place, and what can do what is wanted before what can't.
 */
import { ToolRefused } from "syris"
import type { Directory, Thing } from "./Directory.ts"
import { bare, distance, fold, kindWord, listed, nameKey, type Noun, saidKey, splitNoun } from "./Words.ts"
import { type HaState, isEntityId } from "./Wire.ts"

/** More than that is no answer to a sentence. */
const most = 200

export interface Wanted {
  readonly directory: Directory
  readonly stateOf: (entityId: string) => HaState | undefined
  readonly can: (thing: Thing) => boolean
  /** Which kinds a place alone stands for; all that can, where it is not given. */
  readonly meant?: ReadonlyArray<string>
  /** As in "can't be …". */
  readonly done: string
}

const shown = ({ entity_id, name }: Thing): string => `${name} (${entity_id})`

/** Nobody gets in or out by one whose class is not known. */
const guarding = new Set(["door", "garage", "gate", "window"])

const isKind = ({ kinds }: Noun, { domain, entity_id }: Thing, { stateOf }: Wanted): boolean => {
  const own = stateOf(entity_id)?.attributes["device_class"]
  return kinds.some(({ classes, domain: wanted }) =>
    wanted === domain &&
    (classes === undefined || classes.includes(String(own)) ||
      (domain === "cover" && own == null && !classes.some((one) => guarding.has(one))))
  )
}

/** Without groups whose members are all among them, and without what can't be reached where something can. */
const several = (things: ReadonlyArray<Thing>, { stateOf }: Wanted): ReadonlyArray<Thing> => {
  const ids = new Set(things.map((thing) => thing.entity_id))
  const single = things.filter(({ entity_id }) => {
    const members = stateOf(entity_id)?.attributes["entity_id"]
    return !Array.isArray(members) || members.length === 0 || !members.every((member) => ids.has(String(member)))
  })
  const reached = single.filter(({ entity_id }) => stateOf(entity_id)?.state !== "unavailable")
  return reached.length === 0 ? single : reached
}

const ambiguous = (phrase: string, things: ReadonlyArray<Thing>, more = ""): never => {
  throw new ToolRefused(`"${phrase}" may be ${listed(things.map(shown), "or", 8)}: say which${more}.`)
}

/** One thing of several that have the name, or a refusal that lists them. */
const single = (phrase: string, things: ReadonlyArray<Thing>, { meant = [] }: Wanted): ReadonlyArray<Thing> => {
  for (
    const keep of [() => true, (thing: Thing) => !thing.aside, (thing: Thing) => meant.includes(thing.domain)]
  ) {
    const kept = things.filter(keep)
    if (kept.length === 1) return kept
  }
  return ambiguous(phrase, things)
}

const withNoun = (phrase: string, key: string, wanted: Wanted): ReadonlyArray<Thing> | undefined => {
  const { directory } = wanted
  const turned = /^(.+?) (?:in|of|at|on|from|im|in der) (.+)$/.exec(key)
  const phrases = turned === null ? [key] : [key, `${bare(turned[2]!)} ${turned[1]!}`]
  for (const { noun, rest, word } of phrases.flatMap(splitNoun)) {
    const able = (things: ReadonlyArray<Thing>) =>
      things.filter((thing) => isKind(noun, thing, wanted) && wanted.can(thing))
    const where = bare(rest)
    const place = where === "" ? undefined : directory.inPlace(where)
    const named = where === "" ? [] : able(directory.byName(where))
    if (named.length === 1 && (!noun.plural || place === undefined)) return named
    if (place === undefined && where !== "") {
      if (named.length > 1) return single(phrase, named, wanted)
      // A house without areas has them in its names: "Kitchen ceiling", "Kitchen counter".
      const began = noun.plural ? several(able(beginning(where, directory)), wanted) : []
      if (began.length > 0) return began
      continue
    }
    const there = several(able(place?.things ?? directory.all).filter((thing) => !thing.aside), wanted)
    if (there.length === 1 || (noun.plural && there.length > 0)) return there
    if (there.length > 1) {
      return ambiguous(phrase, there, place === undefined ? "" : `, or "${where} ${plural(word)}" for all of them`)
    }
    if (place !== undefined && noun.plural) {
      throw new ToolRefused(`There are no ${word} in ${place.place.name} that can be ${wanted.done}.`)
    }
  }
  return undefined
}

const beginning = (words: string, directory: Directory): ReadonlyArray<Thing> =>
  [
    ...new Set(directory.names().flatMap(([name, things]) => name.startsWith(`${words} `) ? things : []))
  ].filter(({ aside }) => !aside)

const plural = (word: string): string => word.endsWith("ch") ? `${word}es` : `${word}s`

const inPlace = (key: string, wanted: Wanted): ReadonlyArray<Thing> | undefined => {
  const place = wanted.directory.inPlace(key)
  if (place === undefined) return undefined
  const { meant } = wanted
  const things = place.things.filter((thing) =>
    !thing.aside && (meant === undefined || meant.includes(thing.domain)) && wanted.can(thing)
  )
  if (things.length > 0) return several(things, wanted)
  throw new ToolRefused(`There is nothing in ${place.place.name} that can be ${wanted.done}: name the thing.`)
}

/** "Front door" where the thing is called "Front door lock". */
const shorter = (phrase: string, key: string, wanted: Wanted): ReadonlyArray<Thing> | undefined => {
  const found = new Set(
    wanted.directory.names().flatMap(([name, things]) =>
      name.startsWith(`${key} `) && splitNoun(name).some(({ rest }) => rest === key) ? things.filter(wanted.can) : []
    )
  )
  return found.size === 0 ? undefined : single(phrase, [...found], wanted)
}

const whole = (phrase: string, key: string, wanted: Wanted): ReadonlyArray<Thing> | undefined => {
  const exact = wanted.directory.byName(nameKey(phrase))
  const named = exact.length > 0 ? exact : wanted.directory.byName(key)
  const able = named.filter(wanted.can)
  if (able.length > 0) return single(phrase, able, wanted)
  const found = withNoun(phrase, key, wanted) ??
    (named.length > 0 && wanted.directory.inPlace(key) === undefined ? undefined : inPlace(key, wanted)) ??
    shorter(phrase, key, wanted)
  if (found !== undefined) return found
  const [thing] = named
  if (thing === undefined) return undefined
  throw new ToolRefused(
    `${listed(named.map(shown), "and")} can't be ${wanted.done}: ${named.length === 1 ? "it is" : "the first is"} a ${
      kindWord(thing.domain)
    }.`
  )
}

/** Names and places that are alike, the likest first. */
const alike = (key: string, wanted: Wanted): ReadonlyArray<string> => {
  const found = new Map<string, number>()
  const offer = (text: string, score: number) => {
    if (score < (found.get(text) ?? Infinity)) found.set(text, score)
  }
  const words = new Set(key.split(" "))
  const scoreOf = (name: string, said: string): number => {
    const allowed = Math.max(1, Math.floor(said.length / 4))
    const letters = distance(said, name, allowed)
    if (letters <= allowed) return letters
    const own = name.split(" ")
    const shared = own.filter((word) => words.has(word)).length
    return shared === words.size || (shared > 0 && shared === own.length) ? allowed + 1 : Infinity
  }
  const [split] = splitNoun(key).slice(-1)
  for (const [name, things] of wanted.directory.names()) {
    const score = Math.min(scoreOf(name, key), split === undefined ? Infinity : scoreOf(name, split.rest) + 0.5)
    if (score === Infinity) continue
    for (const thing of things) {
      if (thing.aside || (split !== undefined && !isKind(split.noun, thing, wanted))) continue
      offer(shown(thing), score + (wanted.can(thing) ? 0 : 10))
    }
  }
  if (split !== undefined && split.rest !== "") {
    for (const [name, place] of wanted.directory.places()) {
      const score = scoreOf(name, split.rest)
      if (score < Infinity) offer(`"${place.name} ${split.word}"`, score + 0.75)
    }
  } else {
    for (const [name, place] of wanted.directory.places()) {
      const score = scoreOf(name, key)
      if (score < Infinity) offer(`everything in ${place.name}`, score + 0.25)
    }
  }
  return [...found].sort(([, one], [, other]) => one - other).slice(0, 3).map(([text]) => text)
}

const nothingCalled = (phrase: string, key: string, wanted: Wanted): never => {
  const [split] = splitNoun(key).slice(-1)
  const domains = new Set(split?.noun.kinds.map((kind) => kind.domain))
  const what = split !== undefined && split.rest !== "" && domains.size === 1
    ? `There is no ${kindWord([...domains][0]!)} called ${split.rest}`
    : `There is nothing called ${key === "" ? phrase.trim() : key}`
  const offers = alike(key, wanted)
  throw new ToolRefused(
    offers.length === 0 ? `${what} in Home Assistant.` : `${what}: did you mean ${listed(offers, "or")}?`
  )
}

const byId = (id: string, wanted: Wanted): ReadonlyArray<Thing> => {
  const thing = wanted.directory.byId(id)
  if (thing === undefined) {
    const scored = wanted.directory.all.map((one) => [one, distance(id, one.entity_id, 3)] as const)
    const best = scored.reduce((least, [, letters]) => Math.min(least, letters), 3)
    const near = scored.filter(([, letters]) => letters <= 3 && letters <= best).slice(0, 3)
    const what = `There is no ${id} in Home Assistant`
    throw new ToolRefused(
      near.length === 0 ? `${what}.` : `${what}: did you mean ${listed(near.map(([one]) => shown(one)), "or")}?`
    )
  }
  if (wanted.can(thing)) return [thing]
  throw new ToolRefused(`${shown(thing)} can't be ${wanted.done}: it is a ${kindWord(thing.domain)}.`)
}

const between = /\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|und|&|\+)\s+/i

const onePhrase = (phrase: string, wanted: Wanted): ReadonlyArray<Thing> => {
  const id = phrase.trim().toLowerCase()
  if (isEntityId(id)) return byId(id, wanted)
  const key = saidKey(phrase)
  const found = key === "" ? undefined : whole(phrase.trim(), key, wanted)
  if (found !== undefined) return found
  const parts = phrase.split(between).filter((part) => part.trim() !== "")
  if (parts.length < 2 || parts.length > 20) return nothingCalled(phrase, key, wanted)
  // "The kitchen and hall lights": the word for the kind is said once.
  const [last] = splitNoun(fold(parts.at(-1)!)).slice(-1)
  return parts.flatMap((part, i) => {
    const shared = last !== undefined && i < parts.length - 1 && splitNoun(fold(part)).length === 0
      ? withNoun(part, saidKey(`${part} ${last.word}`), wanted)
      : undefined
    return shared ?? onePhrase(part, wanted)
  })
}

/** All that is meant, sorted by id, each once. Throws `ToolRefused` with what to say instead. */
export const findThings = (target: string | ReadonlyArray<string>, wanted: Wanted): ReadonlyArray<Thing> => {
  const phrases = typeof target === "string" ? [target] : target
  const found = new Map(phrases.flatMap((phrase) => onePhrase(phrase, wanted)).map((thing) => [thing.entity_id, thing]))
  if (found.size > most) throw new ToolRefused(`That is ${found.size} things, more than ${most}: name an area.`)
  return [...found.values()].sort((one, other) => one.entity_id < other.entity_id ? -1 : 1)
}
