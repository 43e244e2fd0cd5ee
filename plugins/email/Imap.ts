/**
 * A connection to the mailbox. It never connects again by itself, it does not believe a server that sends without end, and
 * what goes wrong is said in a sentence.
 */
import { ImapFlow } from "imapflow"
import type { SecretOption } from "syris"
import type { Account } from "./Account.ts"
import { certificateProblem, whyUnreachable } from "./Unreachable.ts"

/** What opens a connection: the run of a tool, a channel, a check. */
export interface Opening {
  readonly secret: (option: SecretOption) => Promise<string>
  readonly signal: AbortSignal
}

export interface Imap extends AsyncDisposable {
  readonly client: ImapFlow
  /** Rejects when the connection is gone. */
  readonly lost: Promise<never>
}

/** No byte for so long while one is due: nobody is there any more. */
export const silenceMs = 18_000
const connectMs = 15_000
const partingMs = 1_000

interface ImapError extends Error {
  readonly code?: string
  readonly authenticationFailed?: boolean
  readonly responseText?: string
}

const isImapError = (error: unknown): error is ImapError => error instanceof Error

/** What went wrong, for whoever reads it. */
export const imapProblem = ({ imap }: Account, error: unknown): string => {
  const where = `${imap.host}:${imap.port}`
  if (!isImapError(error)) return `${where}: ${String(error)}`
  if (error.authenticationFailed === true) {
    return `${where} does not let ${imap.user ?? ""} in${
      error.responseText === undefined ? "" : ` ("${error.responseText.slice(0, 200)}")`
    }: check the user and the password (many providers want an app password).`
  }
  const untrusted = certificateProblem(where, `${error.code} ${error.message}`, error.message)
  if (untrusted !== undefined) return untrusted
  return `The mailbox at ${where} can't be reached: ${whyUnreachable(error.code, error.responseText ?? error.message)}.`
}

export const openImap = async (account: Account, { secret, signal }: Opening): Promise<Imap> => {
  const { host, password, port, secure, startTls, user } = account.imap
  const pass = await secret(password!)
  signal.throwIfAborted()
  const client = new ImapFlow({
    host,
    port,
    secure,
    doSTARTTLS: secure ? undefined : startTls,
    auth: { user: user!, pass },
    logger: false,
    disableAutoIdle: true,
    disableCompression: true,
    connectionTimeout: connectMs,
    greetingTimeout: connectMs,
    socketTimeout: silenceMs,
    maxLineLength: 8 * 1024 * 1024,
    maxLiteralSize: 16 * 1024 * 1024,
    maxResponseSize: 32 * 1024 * 1024,
    clientInfo: { name: "syris" }
  })
  const gone = Promise.withResolvers<never>()
  gone.promise.catch(() => {})
  client.on("error", gone.reject)
  client.on("close", () => gone.reject(new Error("the server closed the connection")))
  const abort = (): void => client.close()
  signal.addEventListener("abort", abort, { once: true })
  const close = (): void => {
    signal.removeEventListener("abort", abort)
    client.close()
  }
  try {
    await Promise.race([client.connect(), gone.promise])
  } catch (error) {
    close()
    throw new Error(imapProblem(account, error), { cause: error })
  }
  return {
    client,
    lost: gone.promise,
    [Symbol.asyncDispose]: async () => {
      // Whoever does not answer is not waited for.
      const patience = Promise.withResolvers<void>()
      const timer = setTimeout(patience.resolve, partingMs)
      if (client.usable) await Promise.race([client.logout(), gone.promise, patience.promise]).catch(() => {})
      clearTimeout(timer)
      close()
    }
  }
}

/** The numbers of the messages that fit, the lowest first. A search that the server refuses is an error, not an empty one. */
export const uidsOf = async (client: ImapFlow, query: Parameters<ImapFlow["search"]>[0]): Promise<Array<number>> => {
  const found = await client.search(query, { uid: true })
  if (!Array.isArray(found)) throw new Error("the server refused to search")
  return found.toSorted((left, right) => left - right)
}
