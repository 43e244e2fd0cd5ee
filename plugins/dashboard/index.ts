/**
 * The operator's page: files that a browser runs, and nothing else. What the page shows and does goes through the HTTP API
 * with the session of whoever logged in, so this plugin holds nothing and may do nothing.
 *
 * The files are read once, when the host starts: a build beside a running host changes nothing of what it serves.
 */
import { definePlugin, type PluginParts, type Route } from "syris"
import * as fs from "node:fs"
import * as path from "node:path"

/** Where `bin/build-page.mjs` puts the page. */
const built = path.join(import.meta.dirname, "dist", "files")

/**
 * Everything comes from this host and goes to it. Only the page's own files run: nothing that a tool or a stranger put there
 * at another address, no script and no style in the markup. No frame around it, no form that sends anywhere, and no text that
 * becomes HTML (Trusted Types).
 */
export const policyOf = (origin: string): string => {
  // A policy can't name an address of IPv6; there it is the whole host.
  const own = origin.startsWith("http://[") ? "'self'" : `${origin}/plugins/dashboard/assets/`
  return [
    "default-src 'none'",
    `script-src ${own}`,
    `style-src ${own}`,
    `img-src ${own}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join("; ")
}

const headersFor = (request: Request): Record<string, string> => ({
  "content-security-policy": policyOf(new URL(request.url).origin),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
})

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml"
}

interface Served {
  readonly type: string
  readonly plain: Uint8Array<ArrayBuffer>
  readonly gzip: Uint8Array<ArrayBuffer> | undefined
}

/** What was built, by its path; nothing where it was not. */
const read = (folder: string): ReadonlyMap<string, Served> => {
  const found = new Map<string, Served>()
  if (!fs.existsSync(folder)) return found
  for (const name of fs.readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const type = types[path.extname(name)]
    if (type === undefined) continue
    const file = path.join(folder, name)
    const packed = `${file}.gz`
    found.set(name.split(path.sep).join("/"), {
      type,
      plain: new Uint8Array(fs.readFileSync(file)),
      gzip: fs.existsSync(packed) ? new Uint8Array(fs.readFileSync(packed)) : undefined
    })
  }
  return found
}

const send = (request: Request, file: Served, cache: string): Response => {
  const packed = file.gzip !== undefined && /\bgzip\b/.test(request.headers.get("accept-encoding") ?? "")
  return new Response(packed ? file.gzip : file.plain, {
    headers: {
      ...headersFor(request),
      "content-type": file.type,
      "cache-control": cache,
      vary: "accept-encoding",
      ...(packed ? { "content-encoding": "gzip" } : {})
    }
  })
}

const say = (request: Request, status: number, text: string): Response =>
  new Response(`${text}\n`, {
    status,
    headers: { ...headersFor(request), "content-type": "text/plain; charset=utf-8" }
  })

/** What the plugin brings, with the page of this folder. */
export const partsOf = (folder: string): PluginParts => {
  const files = read(folder)
  const screen: Route["handle"] = (request) => {
    const index = files.get("index.html")
    return index === undefined
      ? say(request, 503, "The page was not built. Run npm run build:page where SYRIS is, and start it again.")
      : send(request, index, "no-cache")
  }
  const asset: Route["handle"] = (request) => {
    const name = new URL(request.url).pathname.replace(/^\/plugins\/dashboard\//, "")
    const file = files.get(name)
    // Their names have a hash of what they are.
    return file === undefined
      ? say(request, 404, "The page has no such file; load it again.")
      : send(request, file, "public, max-age=31536000, immutable")
  }
  return {
    page: "/",
    routes: [
      { method: "GET", path: "/assets/:file", open: true, handle: asset },
      // Every other address is a screen, and the page knows which.
      { method: "GET", path: "/*", open: true, handle: screen }
    ]
  }
}

export default definePlugin({ name: "dashboard", version: "0.1.0", setup: () => partsOf(built) })
