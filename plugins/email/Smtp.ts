/**
 * A connection to the server that sends: one for each mail, and nothing is repeated. What it ends with says what is known: the
 * server took the mail, refused it, or nobody knows.
 */
import { Readable } from "node:stream"
import SMTPConnection from "nodemailer/lib/smtp-connection"
import { ToolRefused, ToolUnknown } from "syris"
import type { Account } from "./Account.ts"
import type { Opening } from "./Imap.ts"
import { certificateProblem, whyUnreachable } from "./Unreachable.ts"

/** The server took it. */
export interface Taken {
  readonly response: string
  /** Whom it does not deliver to, with its words. */
  readonly rejected: ReadonlyArray<string>
}

/** How far the handing over of a message is. */
type Stage = "asking" | "beginning" | "sending" | "over"

export interface Smtp extends Disposable {
  /**
   * `begin` is called when the server has said that it takes the message, before the first byte of it goes out; where it
   * fails none does. Throws `ToolRefused` where nothing was sent, `ToolUnknown` where that is not known.
   */
  readonly send: (
    from: string,
    to: ReadonlyArray<string>,
    message: Buffer,
    begin: () => Promise<void>
  ) => Promise<Taken>
}

const connectMs = 15_000
const silenceMs = 60_000

interface SmtpError extends Error {
  readonly code?: string
  readonly responseCode?: number
  readonly response?: string
}

const asError = (error: unknown): SmtpError => error instanceof Error ? error : new Error(String(error))

const words = (error: SmtpError): string => (error.response ?? error.message).replaceAll(/\s+/g, " ").slice(0, 300)

/** Codes that are no answer to what was said, but the end of the talk. */
const isGone = ({ code, responseCode }: SmtpError): boolean =>
  responseCode === undefined || code === "ECONNECTION" || code === "ESOCKET" || code === "ETIMEDOUT"

export const smtpProblem = ({ smtp }: Account, error: unknown): string => {
  const problem = asError(error)
  const where = `${smtp.host}:${smtp.port}`
  if (problem.code === "EAUTH") {
    return `${where} does not let ${smtp.user ?? ""} in ("${words(problem)}"): check the user and the password.`
  }
  const untrusted = certificateProblem(where, problem.message, problem.message)
  if (untrusted !== undefined) return untrusted
  return `The server that sends, ${where}, can't be reached: ${
    whyUnreachable(problem.code, problem.response ?? problem.message)
  }.`
}

/** Connects and signs in. Throws a sentence; nothing is sent. */
export const openSmtp = async (account: Account, { secret, signal }: Opening): Promise<Smtp> => {
  const { host, password, port, secure, startTls, user } = account.smtp
  const pass = password === undefined ? undefined : await secret(password)
  signal.throwIfAborted()
  const connection = new SMTPConnection({
    host,
    port,
    secure,
    requireTLS: startTls,
    ignoreTLS: !secure && !startTls,
    name: account.domain,
    connectionTimeout: connectMs,
    greetingTimeout: connectMs,
    dnsTimeout: connectMs,
    socketTimeout: silenceMs,
    logger: false
  })
  const gone = Promise.withResolvers<never>()
  gone.promise.catch(() => {})
  connection.on("error", gone.reject)
  connection.on("end", () => gone.reject(new Error("the server closed the connection")))
  const abort = (): void => {
    gone.reject(new Error("it took too long, or the host stops"))
    connection.close()
  }
  signal.addEventListener("abort", abort, { once: true })
  const close = (): void => {
    signal.removeEventListener("abort", abort)
    connection.close()
  }
  const step = (begin: (done: (error?: Error | null) => void) => void): Promise<void> =>
    Promise.race([
      new Promise<void>((resolve, reject) =>
        begin((error) => error === undefined || error === null ? resolve() : reject(error))
      ),
      gone.promise
    ])
  try {
    await step((done) => connection.connect(done))
    if (user !== undefined && pass !== undefined) await step((done) => connection.login({ user, pass }, done))
  } catch (error) {
    close()
    throw new Error(smtpProblem(account, error), { cause: error })
  }
  return {
    send: async (from, to, message, begin) => {
      let problem: Error | undefined
      let stage = "asking" as Stage
      // It is read only after the server said that it takes the message.
      const source = new Readable({
        read() {
          if (stage !== "asking") return
          stage = "beginning"
          begin().then(() => {
            if (stage === "over") return
            stage = "sending"
            this.push(message)
            this.push(null)
          }, (error: unknown) => this.destroy(problem = asError(error)))
        }
      })
      const sent = new Promise<Taken>((resolve, reject) =>
        connection.send(
          { from, to: [...to], size: message.length },
          source,
          (error, info) =>
            error === null && info !== undefined
              ? resolve({
                response: info.response,
                rejected: (info.rejectedErrors ?? []).map((one) => words(asError(one)))
              })
              : reject(error ?? new Error("the server said nothing"))
        )
      )
      try {
        return await Promise.race([sent, gone.promise])
      } catch (error) {
        const begun = stage === "sending"
        // A message without its end is none.
        if (stage === "beginning") connection.close()
        stage = "over"
        throw problem ?? endingOf(asError(error), begun)
      }
    },
    [Symbol.dispose]: () => {
      connection.quit()
      close()
    }
  }
}

const endingOf = (error: SmtpError, begun: boolean): Error => {
  if (isGone(error)) {
    return begun
      ? new ToolUnknown(
        `The connection ended while the mail was handed over (${words(error)}): whether it was sent is not known.`
      )
      : new ToolRefused(`Nothing was sent: the connection ended before (${words(error)}).`)
  }
  return new ToolRefused(
    error.responseCode! < 500
      ? `The mail server can't take it now: ${words(error)}. Nothing was sent; try again later.`
      : `The mail server refused it: ${words(error)}. Nothing was sent.`
  )
}
