/**
 * A mail account: how it is reached, whose mail counts for more, and what the operator left to the defaults.
 */
import { isIP } from "node:net"
import { Schema, SecretOption } from "syris"
import { addressOf, domainOf, hostName } from "./Address.ts"

const Address = Schema.String.check(
  Schema.makeFilter((text: string) => addressOf(text) !== undefined, { expected: "an e-mail address" })
)
const Host = Schema.String.check(
  Schema.makeFilter((text: string) => hostName.test(text) || isIP(text) !== 0, { expected: "a host's name or address" })
)
const Port = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))
const Folder = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))

export const Options = Schema.Struct({
  /** The address that it receives and sends by. */
  address: Address,
  imap: Schema.Struct({
    host: Host,
    /** Default 993, and 143 where `secure` is false. */
    port: Schema.optionalKey(Port),
    /** TLS from the first byte. Without it STARTTLS is demanded of every host but the loopback. Default: not for port 143. */
    secure: Schema.optionalKey(Schema.Boolean),
    /** Default: the address. */
    user: Schema.optionalKey(Schema.String),
    password: SecretOption
  }),
  smtp: Schema.Struct({
    host: Host,
    /** Default 465, and 587 where `secure` is false. */
    port: Schema.optionalKey(Port),
    /** As above. Default: for port 465 alone. */
    secure: Schema.optionalKey(Schema.Boolean),
    /** Without a user and a password it does not sign in. */
    user: Schema.optionalKey(Schema.String),
    password: Schema.optionalKey(SecretOption)
  }),
  /** Whose mail is trusted, where `trustedServer` vouches for the sender. */
  trustedSenders: Schema.optionalKey(Schema.Array(Address)),
  /** The name by which your mail server signs its `Authentication-Results` (RFC 8601). Without it nobody is trusted. */
  trustedServer: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(255))),
  /** How many `Received` lines your own servers put above that header. Default 0. */
  trustedHops: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 }))),
  /** Your own address: you are asked there for approvals, and your answers count where `trustedServer` vouches for them. */
  operator: Schema.optionalKey(Address),
  /** Tells several accounts apart: the connector. */
  name: Schema.optionalKey(Schema.String.check(
    Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,63}$/, { expected: "lower-case letters, digits, _ and -" })
  )),
  /** Where mail comes in. Default `INBOX`. */
  mailbox: Schema.optionalKey(Folder),
  /** Where mail that was sent is kept. Default: the folder that the server marks as such, else `Sent`. */
  sent: Schema.optionalKey(Folder),
  /** At the first start: mail from then on, such as `2026-11-01`. Default: only what comes from the first start on. */
  since: Schema.optionalKey(Schema.String.check(
    Schema.makeFilter((text: string) => /^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(Date.parse(text)), {
      expected: "a day such as 2026-11-01"
    })
  )),
  /** Marks what was taken as read. Default: the flags are left alone. */
  markSeen: Schema.optionalKey(Schema.Boolean)
})

/** One of the two servers of an account. */
export interface Server {
  readonly host: string
  readonly port: number
  readonly secure: boolean
  /** Without TLS from the start: STARTTLS is demanded. */
  readonly startTls: boolean
  readonly user: string | undefined
  readonly password: SecretOption | undefined
}

export interface Account {
  readonly connector: string
  readonly address: string
  readonly domain: string
  readonly imap: Server
  readonly smtp: Server
  readonly trustedSenders: ReadonlySet<string>
  readonly trustedServer: string | undefined
  readonly trustedHops: number
  readonly operator: string | undefined
  readonly mailbox: string
  readonly sent: string | undefined
  readonly since: Date | undefined
  readonly markSeen: boolean
}

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host)

const serverOf = (
  given: typeof Options.Type["smtp"],
  ports: { readonly secure: number; readonly plain: number },
  secureByDefault: (port: number | undefined) => boolean
): Server => {
  const secure = given.secure ?? secureByDefault(given.port)
  return {
    host: given.host,
    port: given.port ?? (secure ? ports.secure : ports.plain),
    secure,
    startTls: !secure && !isLoopback(given.host),
    user: given.user,
    password: given.password
  }
}

export const accountOf = (options: typeof Options.Type): Account => {
  const address = addressOf(options.address)!
  const operator = options.operator === undefined ? undefined : addressOf(options.operator)
  return {
    connector: options.name ?? "email",
    address,
    domain: domainOf(address),
    imap: serverOf({ user: address, ...options.imap }, { secure: 993, plain: 143 }, (port) => port !== 143),
    smtp: serverOf(options.smtp, { secure: 465, plain: 587 }, (port) => port === undefined || port === 465),
    trustedSenders: new Set((options.trustedSenders ?? []).map((sender) => addressOf(sender)!)),
    trustedServer: options.trustedServer?.toLowerCase(),
    trustedHops: options.trustedHops ?? 0,
    operator,
    mailbox: options.mailbox ?? "INBOX",
    sent: options.sent,
    since: options.since === undefined ? undefined : new Date(options.since),
    markSeen: options.markSeen ?? false
  }
}
