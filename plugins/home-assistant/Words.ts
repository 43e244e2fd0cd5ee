/**
 * Names as people say them: folded, without articles; and the words for kinds of things.
 */

const articles = new Set(
  "the a an my our your der die das den dem ein eine le la les l un une el los las il lo gli i het de o os as"
    .split(" ")
)

const quantifiers = new Set(["all", "every", "each", "both", "alle"])

/** Lower case, without accents, punctuation and white space to spare: `Küche – Decke` is `kuche decke`. */
export const fold = (text: string): string =>
  text.normalize("NFKD").replace(/\p{M}+/gu, "").toUpperCase().toLowerCase().replace(/[^\p{L}\p{N}%]+/gu, " ").trim()

/** Without the articles in front, and "all" where it is said of something; what is nothing else stays. */
export const bare = (folded: string, ofName = false): string => {
  const words = folded.split(" ")
  const goes = (word: string): boolean => articles.has(word) || (!ofName && quantifiers.has(word))
  let from = 0
  while (from < words.length - 1 && goes(words[from]!)) from++
  return words.slice(from).join(" ")
}

/** What was said, as it is looked for. */
export const saidKey = (text: string): string => bare(fold(text))
/** A name, as it is found: "All kitchen" is not the kitchen. */
export const nameKey = (text: string): string => bare(fold(text), true)

export interface Kind {
  readonly domain: string
  /** Only those of these classes; all where it is not given. */
  readonly classes?: ReadonlyArray<string>
}

export interface Noun {
  readonly kinds: ReadonlyArray<Kind>
  readonly plural: boolean
}

const nouns = new Map<string, Noun>()
const noun = (words: string, ...kinds: ReadonlyArray<Kind>): void => {
  for (const pair of words.split(",")) {
    const [one = "", many = `${one}s`] = pair.trim().split("/")
    nouns.set(one, { kinds, plural: false })
    nouns.set(many, { kinds, plural: true })
  }
}
noun("light, lamp", { domain: "light" })
noun("switch/switches, plug, outlet, socket", { domain: "switch" })
noun("fan", { domain: "fan" })
noun("lock, door lock", { domain: "lock" })
noun("blind", { domain: "cover", classes: ["blind", "shade", "shutter"] })
noun("shade", { domain: "cover", classes: ["shade", "blind"] })
noun("shutter", { domain: "cover", classes: ["shutter", "blind"] })
noun("curtain", { domain: "cover", classes: ["curtain"] })
noun("awning", { domain: "cover", classes: ["awning"] })
noun("garage, garage door", { domain: "cover", classes: ["garage"] })
noun("gate", { domain: "cover", classes: ["gate"] })
noun("door", { domain: "cover", classes: ["door", "garage", "gate"] }, { domain: "lock" }, {
  domain: "binary_sensor",
  classes: ["door", "garage_door", "opening", "lock"]
})
noun("window", { domain: "cover", classes: ["window"] }, {
  domain: "binary_sensor",
  classes: ["window", "opening"]
})
noun("cover", { domain: "cover" })
noun("valve", { domain: "valve" })
noun("thermostat, heater, radiator", { domain: "climate" })
noun("heating/heating, climate/climate, air conditioning/air conditioning, ac/acs", { domain: "climate" })
noun("tv, television, speaker, media player", { domain: "media_player" })
noun("scene", { domain: "scene" })
noun("script", { domain: "script" })
noun("vacuum, vacuum cleaner, robot vacuum", { domain: "vacuum" })
noun("alarm, alarm panel", { domain: "alarm_control_panel" })
noun("siren", { domain: "siren" })
noun("humidifier", { domain: "humidifier" })
noun("temperature", { domain: "sensor", classes: ["temperature"] }, { domain: "climate" })
noun("humidity/humidities", { domain: "sensor", classes: ["humidity"] })

export interface Split {
  readonly rest: string
  readonly noun: Noun
  readonly word: string
}

/** Kinds at the end of a folded phrase, with what is before them: `kitchen lights` is `kitchen` and all lights. */
export const splitNoun = (phrase: string): ReadonlyArray<Split> => {
  const words = phrase.split(" ")
  return [2, 1].flatMap((length) => {
    const word = words.slice(-length).join(" ")
    const found = words.length < length ? undefined : nouns.get(word)
    return found === undefined ? [] : [{ rest: words.slice(0, -length).join(" "), noun: found, word }]
  })
}

const called: Readonly<Record<string, readonly [string, string]>> = {
  alarm_control_panel: ["alarm", "alarms"],
  binary_sensor: ["sensor", "sensors"],
  climate: ["thermostat", "thermostats"],
  media_player: ["media player", "media players"],
  switch: ["switch", "switches"]
}

/** What things of a domain are called: `light`, `lights`. */
export const kindWord = (domain: string, count = 1): string => {
  const word = domain.replaceAll("_", " ")
  const [one, many] = called[domain] ?? [word, `${word}s`]
  return count === 1 ? one : many
}

/** How many letters two words differ by, as far as `most`. */
export const distance = (one: string, other: string, most: number): number => {
  if (Math.abs(one.length - other.length) > most) return most + 1
  let row = Array.from({ length: other.length + 1 }, (_, i) => i)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)))
    }
    if (Math.min(...next) > most) return most + 1
    row = next
  }
  return row[other.length]!
}

/** `a`, `a and b`, `a, b and c`; `word` in place of `and`. */
export const listed = (items: ReadonlyArray<string>, word = "and", most = 5): string => {
  const shown = items.length > most ? [...items.slice(0, most), `${items.length - most} more`] : items
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} ${word} ${shown.at(-1)!}`
}
