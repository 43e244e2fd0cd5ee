/**
 * The text in a mail's HTML, in one pass and linear time whatever the HTML is: what is built for pages of good will takes
 * minutes for a mebibyte of table cells. Lines where blocks end, `>` before what is quoted; nothing else of its look.
 */

const letters =
  "amp & lt < gt > quot \" apos ' copy © reg ® trade ™ hellip … mdash — ndash – lsquo ‘ rsquo ’ ldquo “ rdquo ” laquo « " +
  "raquo » auml ä ouml ö uuml ü Auml Ä Ouml Ö Uuml Ü szlig ß eacute é egrave è ecirc ê agrave à acirc â ccedil ç ntilde ñ " +
  "oacute ó iacute í aacute á uacute ú ocirc ô icirc î oslash ø aring å aelig æ euro € pound £ deg ° bull • middot · times ×"
const named: ReadonlyMap<string, string> = new Map([
  ["nbsp", " "],
  ["shy", ""],
  ["zwnj", ""],
  ["zwj", ""],
  ...Array.from(letters.matchAll(/(\w+) (\S+)/g), ([, name = "", letter = ""]) => [name, letter] as const)
])

const decoded = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,10}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return named.get(String(name)) ?? whole
    const code = decimal === undefined ? parseInt(String(hex), 16) : Number(decimal)
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ""
  })

const blocks = new Set(
  "p div br hr tr table ul ol dl dt dd li h1 h2 h3 h4 h5 h6 section article header footer pre blockquote body address"
    .split(" ")
)
const unseen = new Set("script style head title template noscript svg textarea".split(" "))
const deepest = 10

export const htmlText = (html: string): string => {
  const lower = html.toLowerCase()
  const lines: Array<string> = []
  let line = ""
  let depth = 0
  const newLine = (): void => {
    const text = line.replace(/\s+/g, " ").trim()
    line = ""
    if (text !== "" || (lines.length > 0 && lines.at(-1) !== "")) {
      lines.push(text === "" ? "" : `${">".repeat(Math.min(depth, deepest))}${depth > 0 ? " " : ""}${text}`)
    }
  }
  let at = 0
  while (at < html.length) {
    const open = html.indexOf("<", at)
    line += decoded(html.slice(at, open < 0 ? html.length : open))
    if (open < 0) break
    if (lower.startsWith("<!--", open)) {
      const end = html.indexOf("-->", open + 4)
      at = end < 0 ? html.length : end + 3
      continue
    }
    if (!/[a-z/!?]/.test(lower[open + 1] ?? "")) {
      line += "<"
      at = open + 1
      continue
    }
    const close = html.indexOf(">", open)
    if (close < 0) break
    const closing = lower[open + 1] === "/"
    const name = /^[a-z][a-z0-9]{0,20}/.exec(lower.slice(open + (closing ? 2 : 1), open + 24))?.[0] ?? ""
    at = close + 1
    if (unseen.has(name) && !closing) {
      const end = lower.indexOf(`</${name}`, at)
      at = end < 0 ? html.length : end
    } else if (blocks.has(name)) {
      if (line.trim() !== "" || name === "br" || name === "p") newLine()
      if (name === "blockquote") depth = Math.max(0, depth + (closing ? -1 : 1))
      if (name === "li" && !closing) line = "- "
    } else if (name === "td" || name === "th") line += " "
  }
  newLine()
  return lines.join("\n").trim()
}
