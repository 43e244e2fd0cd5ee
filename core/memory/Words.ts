/**
 * A text as words to be found by, in any language: case and accents folded, nothing stemmed, nothing left out.
 *
 * - What is written without spaces (Chinese, Japanese, Thai, …) is one word a character, looked for in pairs.
 * - A word that is asked for is found as it is, as the beginning of a longer one, and, worth less, without its last letters:
 *   `cats` finds `cat`.
 * - Whatever the text, what comes out is letters and digits: nothing in it can be an operator of a search.
 *
 * Here and not in PostgreSQL, whose folding and splitting hang on the locale that the server was made with. Pure.
 */

/** One word of a text, and whether it stands right behind the one before, in what is written without spaces. */
interface Word {
  readonly word: string
  readonly joined: boolean
}

/** A word that is looked for, each a `tsquery`: itself, itself as a beginning, and without its last letters. */
export interface Term {
  readonly exact: string
  readonly prefix: string
  readonly near: string
}

/** Code points of a word; the rest is not looked at. */
const longestWord = 64
/** Words of a question that are looked for: the longest of them. */
const mostTerms = 24
/** Of a question, UTF-16 code units that are looked at. */
const longestQuestion = 16_000

const apart: Readonly<Record<string, string>> = {
  ς: "σ",
  ø: "o",
  æ: "ae",
  œ: "oe",
  ł: "l",
  đ: "d",
  ð: "d",
  þ: "th"
}

/** Accents of Latin, Greek and Cyrillic, and the marks of Hebrew and Arabic that most people leave out. */
const marks = /[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0640]/gu

/** Case and accents gone; `ß` is `ss`. */
export const fold = (text: string): string =>
  text.toWellFormed().toUpperCase().toLowerCase().normalize("NFKD").replaceAll(marks, "").replaceAll(/\p{Cf}/gu, "")
    .normalize("NFKC").replaceAll(/[ςøæœłđðþ]/gu, (letter) => apart[letter] ?? letter)

const runs = /[\p{L}\p{N}\p{M}]+|\p{Extended_Pictographic}/gu
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
/** One character of such a script with its marks, or everything up to the next of them. */
const parts = new RegExp(`${unspaced.source}\\p{M}*|(?:(?!${unspaced.source}).)+`, "gu")

export const wordsOf = (text: string): ReadonlyArray<Word> =>
  (fold(text).match(runs) ?? []).flatMap((run): ReadonlyArray<Word> => {
    if (!unspaced.test(run)) return [{ word: Array.from(run).slice(0, longestWord).join(""), joined: false }]
    return (run.match(parts) ?? []).map((word, i, all) => ({
      word: Array.from(word).slice(0, longestWord).join(""),
      joined: i > 0 && unspaced.test(word) && unspaced.test(all[i - 1] ?? "")
    }))
  })

/** The same words in the same order, whatever case, accents and punctuation. */
export const sameWords = (text: string): string => wordsOf(text).map(({ word }) => word).join(" ")

/** Texts one after the other, as a `tsvector`. */
export const vectorOf = (...texts: ReadonlyArray<string>): string => {
  const literal: Array<string> = []
  let at = 0
  for (const text of texts) {
    for (const { word } of wordsOf(text)) literal.push(`'${word}':${Math.min(++at, 16_383)}`)
    // The end of one and the beginning of the next stand in no sentence together.
    at++
  }
  return literal.join(" ")
}

const near = (word: string): string => {
  const letters = Array.from(word)
  return letters.slice(0, letters.length < 4 ? letters.length : letters.length < 6 ? -1 : -2).join("")
}

/** What a question looks for, each once; none where there is no word in it. */
export const termsOf = (question: string): ReadonlyArray<Term> => {
  const words = wordsOf(question.slice(0, longestQuestion))
  const found = new Map<string, Term & { readonly length: number }>()
  for (const [i, { joined, word }] of words.entries()) {
    if (joined) {
      const pair = `'${words[i - 1]?.word ?? ""}' <-> '${word}'`
      found.set(pair, { exact: pair, prefix: pair, near: pair, length: 6 })
    } else if (unspaced.test(word)) {
      const alone = words[i + 1]?.joined !== true
      if (alone) found.set(word, { exact: `'${word}'`, prefix: `'${word}'`, near: `'${word}'`, length: 3 })
    } else {
      const begins = word.length < 2 ? "" : ":*"
      found.set(word, {
        exact: `'${word}'`,
        prefix: `'${word}'${begins}`,
        near: `'${near(word)}'${begins}`,
        length: word.length
      })
    }
  }
  const terms = [...found.values()].toSorted((a, b) => b.length - a.length).slice(0, mostTerms)
  // A letter alone (the s of "Anna's") says nothing where there is more to go by.
  return terms.some(({ length }) => length > 1) ? terms.filter(({ length }) => length > 1) : terms
}
