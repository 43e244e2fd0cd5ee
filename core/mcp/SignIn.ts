/**
 * Signing in to servers that ask for OAuth: the SDK speaks with the authorization server, the operator opens a link, and its answer
 * comes to `/oauth/callback`.
 *
 * - The link's `state` is unguessable, good for ten minutes and one use: it is what protects the callback, which takes no token.
 * - Tokens and registration are kept in the secrets store under (`mcp.<server>`, `oauth`), for the address that they were given
 *   for and no other. Every secret in them is taken out of logs, audit and answers.
 * - A server that takes none of its tokens is not served new ones without end.
 */
import type {
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens
} from "@modelcontextprotocol/client"
import { Context, Effect, Layer, Redacted, Semaphore } from "effect"
import * as crypto from "node:crypto"
import { clipped } from "../contract/Visible.ts"
import { Environment } from "../database/Environment.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { Redactor, tokensOf } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { makeFetch } from "./BoundedFetch.ts"
import { RefreshedTooOften } from "./RefreshedTooOften.ts"

/** How long a link is good, milliseconds; real time, as the browser's. */
const linkMs = 10 * 60_000
/** Links of one server that are good at once: each attempt to connect makes one. */
const mostLinks = 3
/** Of each request to the authorization server, when the operator comes back; milliseconds. */
const requestMs = 15_000
/** What the store takes, characters. */
const maximumKept = 65_536
/** Refreshes of one server's tokens, in a time in milliseconds. */
const mostRefreshes = 10
const refreshesMs = 10 * 60_000
/** How long it is waited until the host listens, milliseconds: some never do. */
const listensMs = 2_000

const path = "/oauth/callback"

export interface SignIn {
  /** For the SDK's transport. */
  readonly provider: OAuthClientProvider
  /** Where the operator signs in; nothing while that is not wanted, or where the link is too old. */
  readonly url: () => string | undefined
  /** Waits until it is worth to connect again: the operator has come back, or the last link is too old. */
  readonly settled: Effect.Effect<void>
}

/** What the operator's browser is told. */
export interface CallbackPage {
  readonly status: number
  readonly text: string
}

export class SignIns extends Context.Service<SignIns, {
  /** Of a server over HTTP; the same one for all its connections. */
  readonly of: (settings: McpServerSettings) => Effect.Effect<SignIn | undefined>
  /** Said by whoever listens, once: where links lead back to. */
  readonly listening: (url: string) => void
  /** Waits until that is said, and not for long. */
  readonly listens: Effect.Effect<void>
  /** What the authorization server sent the browser back with. */
  readonly callback: (query: URLSearchParams) => Effect.Effect<CallbackPage>
}>()("syris/mcp/SignIns") {
  static readonly layer = Layer.effect(SignIns, Effect.suspend(() => make))
}

interface Kept {
  /** The server that it was given for. */
  readonly url: string
  /** The address that was registered. */
  readonly redirect?: string | undefined
  readonly client?: StoredOAuthClientInformation | undefined
  readonly tokens?: StoredOAuthTokens | undefined
}

/** A link that the operator may open. */
interface Link {
  readonly state: string
  readonly until: number
  verifier: string
  url: string | undefined
}

interface Known extends SignIn {
  readonly take: (state: string) => Link | undefined
  readonly finish: (link: Link, query: URLSearchParams) => Effect.Effect<CallbackPage>
}

const page = (status: number, text: string): CallbackPage => ({ status, text })

const make = Effect.gen(function*() {
  const environment = yield* Environment
  const redactor = yield* Redactor
  const store = yield* SecretsStore
  const run = Effect.runPromiseWith(yield* Effect.context<never>())
  const known = new Map<string, Known>()

  const shown = environment.host.includes(":") ? `[${environment.host}]` : environment.host
  let redirect = environment.port === 0 ? undefined : `http://${shown}:${environment.port}${path}`
  const waiting = new Set<() => void>()

  let waited = false
  const listens = Effect.callback<void>((resume) => {
    if (waited) return resume(Effect.void)
    const done = () => {
      waited = true
      resume(Effect.void)
    }
    waiting.add(done)
    const timer = setTimeout(done, listensMs)
    return Effect.sync(() => {
      clearTimeout(timer)
      waiting.delete(done)
    })
  })

  const makeSignIn = (settings: McpServerSettings): Known | undefined => {
    const { place, server } = settings
    if (place.kind !== "http") return undefined
    const name = `mcp.${server}`
    const links: Array<Link> = []
    const settledWaiters = new Set<() => void>()
    const oneAtATime = Semaphore.makeUnsafe(1)
    /** Of the last links, whichever is whose: a link's address has the hash of its own. */
    const verifiers: Array<string> = []
    /** When its tokens were refreshed. */
    let refreshes: ReadonlyArray<number> = []
    let discovery: OAuthDiscoveryState | undefined
    /** Of the link whose answer is being redeemed. */
    let redeeming: Link | undefined

    /** What is too long for the store is kept nowhere. */
    const hide = (text: string): void => {
      if (text.length <= maximumKept) redactor.renew(`${name}.oauth`, tokensOf(text) ?? [])
    }
    const load = async (): Promise<Kept> => {
      const none: Kept = { url: place.url }
      if (!store.values().some((one) => one.name === name && one.key === "oauth")) return none
      const text = Redacted.value(await run(store.get(name, "oauth")))
      hide(text)
      try {
        const kept = JSON.parse(text) as Kept
        return kept.url === place.url ? kept : none
      } catch {
        return none
      }
    }
    const save = async (change: Partial<Kept>): Promise<void> => {
      const text = JSON.stringify({ ...await load(), ...change } satisfies Kept)
      hide(text)
      await run(store.set(name, "oauth", Redacted.make(text)))
    }

    const alive = (): ReadonlyArray<Link> => links.filter(({ until }) => until > Date.now())
    const settle = (): void => {
      for (const resume of settledWaiters) resume()
    }
    const countRefresh = (): void => {
      const now = performance.now()
      refreshes = refreshes.filter((at) => now - at < refreshesMs)
      if (refreshes.length >= mostRefreshes) throw new RefreshedTooOften(mostRefreshes, refreshesMs / 60_000)
      refreshes = [...refreshes, now]
    }
    const configured = place.oauth.clientId

    const provider: OAuthClientProvider = {
      get redirectUrl() {
        return redirect ?? `http://${shown}:${environment.port}${path}`
      },
      get clientMetadata() {
        return {
          client_name: "SYRIS",
          redirect_uris: [String(this.redirectUrl)],
          response_types: ["code"],
          token_endpoint_auth_method: "none",
          ...(place.oauth.scope === undefined ? {} : { scope: place.oauth.scope })
        }
      },
      state: () => {
        const link: Link = {
          state: crypto.randomBytes(32).toString("base64url"),
          until: Date.now() + linkMs,
          verifier: "",
          url: undefined
        }
        links.push(link)
        links.splice(0, Math.max(0, links.length - mostLinks))
        return link.state
      },
      clientInformation: async () => {
        if (configured !== undefined) {
          const { clientSecret } = place.oauth
          return {
            client_id: configured,
            ...(clientSecret === undefined ? {} : { client_secret: await run(readSecret(store, clientSecret)) })
          }
        }
        const { client, redirect: registered, tokens } = await load()
        // Whoever has a token to refresh needs no way back; a new link needs the one of today.
        return registered === provider.redirectUrl || tokens?.refresh_token !== undefined ? client : undefined
      },
      ...(configured !== undefined ? {} : {
        saveClientInformation: (client: StoredOAuthClientInformation) =>
          save({ client, redirect: String(provider.redirectUrl) })
      }),
      tokens: async (signingIn) => {
        const { tokens } = await load()
        // Asked for the sign-in, and not for a request: what can be refreshed is about to be.
        if (signingIn !== undefined && tokens?.refresh_token !== undefined) countRefresh()
        return tokens
      },
      saveTokens: (tokens) => save({ tokens }),
      redirectToAuthorization: (url) => {
        const link = links.find(({ state }) => state === url.searchParams.get("state"))
        const verifier = verifiers.find((one) => challengeOf(one) === url.searchParams.get("code_challenge"))
        if (link === undefined || verifier === undefined || !/^https?:$/.test(url.protocol)) return
        link.verifier = verifier
        link.url = url.href
      },
      saveCodeVerifier: (verifier) => {
        verifiers.push(verifier)
        verifiers.splice(0, Math.max(0, verifiers.length - mostLinks))
      },
      codeVerifier: () => redeeming?.verifier ?? "",
      saveDiscoveryState: (state) => {
        discovery = state
      },
      discoveryState: () => discovery,
      invalidateCredentials: async (scope) => {
        if (scope === "all" || scope === "discovery") discovery = undefined
        if (scope === "all" || scope === "client") await save({ client: undefined, redirect: undefined })
        if (scope === "all" || scope === "tokens") await save({ tokens: undefined })
      }
    }

    const redeem = async (link: Link, code: string, iss: string | null): Promise<void> => {
      const { auth } = await import("@modelcontextprotocol/client")
      const url = new URL(place.url)
      const fetch = makeFetch({ url, headers: {}, broken: () => {}, unreachable: () => {} })
      redeeming = link
      try {
        await auth(provider, {
          serverUrl: url,
          authorizationCode: code,
          ...(iss === null ? {} : { iss }),
          fetchFn: (to, init) => fetch(to, { ...init, signal: AbortSignal.timeout(requestMs) })
        })
      } finally {
        redeeming = undefined
      }
    }

    const finish = Effect.fnUntraced(
      function*(link: Link, query: URLSearchParams) {
        const code = query.get("code")
        const again = "Open a new link from: syris integrations"
        if (code === null || code === "") {
          const why = clipped(query.get("error") ?? "it sent no code", 100)
          return page(400, `You are not signed in to ${server}: ${why}. ${again}`)
        }
        const done = yield* Effect.result(Effect.tryPromise({
          try: () => redeem(link, code, query.get("iss")),
          catch: (cause) => cause instanceof Error ? cause : new Error(String(cause))
        }))
        if (done._tag === "Success") {
          links.splice(0)
          return page(200, `You are signed in to ${server}. You can close this window.`)
        }
        const why = clipped(redactor.redactText(done.failure.message), 300)
        yield* Effect.logWarning(`The sign-in to the MCP server ${server} did not work: ${why}`)
        return page(502, `The sign-in to ${server} did not work; the log of the host has why. ${again}`)
      },
      Effect.ensuring(Effect.sync(settle)),
      oneAtATime.withPermits(1)
    )

    return {
      provider,
      url: () => alive().findLast((link) => link.url !== undefined)?.url,
      settled: Effect.callback((resume) => {
        const last = alive().at(-1)
        const done = () => resume(Effect.void)
        settledWaiters.add(done)
        const timer = setTimeout(done, last === undefined ? linkMs : Math.max(0, last.until - Date.now()))
        return Effect.sync(() => {
          clearTimeout(timer)
          settledWaiters.delete(done)
        })
      }),
      take: (state) => {
        const link = alive().find((one) => one.url !== undefined && sameText(one.state, state))
        if (link !== undefined) links.splice(links.indexOf(link), 1)
        return link
      },
      finish
    }
  }

  return SignIns.of({
    of: Effect.fnUntraced(function*(settings) {
      if (settings.place.kind !== "http") return undefined
      // A port that nobody has chosen is known by then.
      if (redirect === undefined) yield* listens
      const found = known.get(settings.server) ?? makeSignIn(settings)
      if (found !== undefined) known.set(settings.server, found)
      return found
    }),
    listens,
    listening: (url) => {
      redirect = `${url}${path}`
      waited = true
      for (const done of waiting) done()
    },
    callback: Effect.fnUntraced(function*(query) {
      const state = query.get("state") ?? ""
      for (const one of known.values()) {
        const link = one.take(state)
        if (link !== undefined) return yield* one.finish(link, query)
      }
      return page(400, "This link is unknown, was used before, or is too old. Open a new one from: syris integrations")
    })
  })
})

/** S256, as PKCE has it. */
const challengeOf = (verifier: string): string => crypto.createHash("sha256").update(verifier).digest("base64url")

/** In a time that does not tell how much of it is the same. */
const sameText = (a: string, b: string): boolean => {
  const [one, other] = [a, b].map((text) => crypto.createHash("sha256").update(text).digest())
  return one !== undefined && other !== undefined && crypto.timingSafeEqual(one, other)
}
