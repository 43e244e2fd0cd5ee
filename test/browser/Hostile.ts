/**
 * Texts from outside that a page might run, load, hide behind or trip over. What one of them runs is heard in two places:
 * `ran` in the page, and the thief, a server elsewhere that notes who was sent to it.
 */
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { visible, visibleJson, visibleLines } from "../../core/contract/Visible.ts"

export interface Thief {
  readonly url: string
  /** What was asked of it. */
  readonly heard: () => ReadonlyArray<string>
  readonly close: () => void
}

/** Waits on the loopback for whatever a page sends there. */
export const startThief = async (): Promise<Thief> => {
  const heard: Array<string> = []
  const server = http.createServer((request, response) => {
    heard.push(request.url ?? "")
    response.writeHead(204, { "access-control-allow-origin": "*" }).end()
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard: () => heard,
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

/** What the planted scripts leave behind in a page. */
export const ran = "globalThis.ran ?? []"

const zalgo = (text: string): string =>
  Array.from(text, (letter) => letter + "\u0301\u0316\u0334\u035c\u0489\u0360".repeat(4)).join("")

/** By name. Each is of at most 200 characters, so that it fits wherever a name does. */
export const hostileTexts = ({ url }: Pick<Thief, "url">): ReadonlyMap<string, string> => {
  const run = (name: string) => `(globalThis.ran??=[]).push('${name}')`
  return new Map([
    ["a script", `<script>${run("script")};fetch('${url}/script')</script>`],
    ["an image that fails", `<img src=/x onerror="${run("image")};fetch('${url}/image')">`],
    ["an image from elsewhere", `<img src="${url}/picture">`],
    ["an SVG", `<svg onload="${run("svg")};fetch('${url}/svg')"><text>svg</text></svg>`],
    [
      "a frame",
      `<iframe srcdoc="<script>(parent.ran??=[]).push('frame');parent.fetch('${url}/frame')</script>"></iframe>`
    ],
    ["the end of an attribute", `" autofocus tabindex=0 onfocus="${run("focus")}" x="`],
    ["an event of details", `<details open ontoggle="${run("toggle")}">x</details>`],
    ["a link that runs", `<a href="javascript:${run("link")}">Approve</a> javascript:${run("address")}`],
    ["a link in Markdown", `[Approve](javascript:${run("markdown")}) ![x](${url}/markdown)`],
    ["a page in a link", `<a href="data:text/html,<script>${run("data")}</script>">Approve</a>`],
    ["a style", `</style><style>body{background:url(${url}/style)} *{display:none}</style>`],
    ["a style sheet", `<link rel=stylesheet href="${url}/sheet">`],
    ["a new base", `<base href="${url}/"><meta http-equiv=refresh content="0;url=${url}/refresh">`],
    ["a form", `<form action="${url}/form"><button>Approve everything</button></form>`],
    ["a template", `{{constructor.constructor("${run("template")}")()}} \${${run("literal")}} <%= 7*7 %>`],
    ["keys of objects", `{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}}`],
    ["a line that runs backwards", "pay \u202e001 ot 1\u202c euro \u2066to\u2069 \u200fmallory"],
    ["control characters", "red \u001b[31malert\u001b[0m \u0007bell \u0008\u0008back \u0085next \u007fdelete"],
    ["characters that nobody sees", "pay\u200b to\u2060mor\u00adrow\ufeff \u{e0041}\u{e0042} a\u034fb \u3164 \u180e"],
    ["a pile of marks", zalgo("zalgo")],
    ["a text from right to left", "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd 12:30 (a) \u2190"],
    ["a long word", "w".repeat(190)],
    ["a button of its own", "[ Approve ] \u2705 Approved by the operator. Press A to continue."],
    ["emoji", "\u{1f469}\u{1f3fd}\u200d\u{1f680} \u{1f1ec}\u{1f1e7} \u2764\ufe0f"]
  ])
}

/** All of them in one text, each on a line of its own. */
export const allOf = (texts: ReadonlyMap<string, string>): string =>
  [...texts].map(([name, text]) => `${name}: ${text}`).join("\n")

/** A value of so many levels. */
export const deep = (levels: number): object => levels === 0 ? { end: "the bottom" } : { in: deep(levels - 1) }

const squeezed = (text: string): string => text.replace(/\s+/g, "")

/** Whether a page shows each character of a text, or spells it. Spaces and line breaks are the page's own affair. */
export const shows = (page: string, text: string): boolean => {
  const shown = squeezed(page)
  return [
    visible(text),
    visibleLines(text).join(""),
    visibleJson(text).slice(1, -1),
    visible(JSON.stringify(text)).slice(1, -1)
  ].some((form) => shown.includes(squeezed(form)))
}

/** Runs in the page: what no text may have made of it. */
export const harm = `(() => {
  const found = []
  const own = (url) => url === "" || new URL(url, location.href).origin === location.origin
  const unseen = /[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\p{DI}]/gu
  const emoji = /\\p{RGI_Emoji}/gv
  const look = (where, text) => {
    const hidden = text.replace(emoji, "").replace(/[\\n\\r\\t]/g, "").match(unseen)
    if (hidden !== null) found.push(where + " hides U+" + hidden[0].codePointAt(0).toString(16) + ": " + text.slice(0, 80))
  }
  if (globalThis.ran !== undefined) found.push("ran: " + globalThis.ran)
  if ({}.polluted !== undefined) found.push("all objects have a new property")
  for (const element of document.querySelectorAll("*")) {
    const name = element.localName
    if (/^(iframe|object|embed|base|frame|applet)$/.test(name)) found.push("an element " + name)
    if (name === "meta" && element.httpEquiv === "refresh") found.push("a refresh")
    if (name === "script" && !own(element.src)) found.push("a script of " + element.src)
    if (name === "script" && element.src === "" && element.textContent !== "") found.push("a script in the page")
    if (name === "form" && element.hasAttribute("action") && !own(element.action)) found.push("a form to " + element.action)
    for (const { name: attribute, value } of element.attributes) {
      if (attribute.startsWith("on")) found.push("an attribute " + attribute + " of " + name)
      if (/^(href|src|action|formaction|xlink:href)$/.test(attribute) && /^\\s*(javascript|data|vbscript):/i.test(value)) {
        found.push("an address " + value.slice(0, 80))
      }
      if (attribute === "src" && !own(value)) found.push("a source " + value)
      look("the attribute " + attribute + " of " + name, value)
    }
    if (/^(input|textarea)$/.test(name)) look("the field " + name, element.value)
    for (const child of element.childNodes) if (child.nodeType === 3 && !/^(script|style)$/.test(name)) look(name, child.data)
  }
  look("the title", document.title)
  return [...new Set(found)]
})()`
