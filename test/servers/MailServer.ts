/**
 * A real mail server for a test: Postfix takes and delivers, Dovecot shows; a few users with passwords, strangers of other
 * domains among them, and their maildirs, which the test reads from the disk: a ledger that knows nothing of IMAP.
 *
 * Every domain has a DKIM key and demands it, so whose mail is `signed` gets `dmarc=pass` on top, and a spoof `dmarc=fail`.
 */
import { generateKeyPairSync, type KeyObject } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type ParsedMail, simpleParser } from "mailparser"
import { createTransport, type SendMailOptions } from "nodemailer"
import { freePort } from "../FreePort.ts"
import { homeOf, type MailFolder, startImap, startPasswords } from "./Dovecot.ts"
import { inQueue, logOf, master, startPostfix } from "./Postfix.ts"
import { missingPrograms, type ServerProcess } from "./ServerProcess.ts"
import { openStamp } from "./Stamp.ts"

export interface Door {
  readonly host: string
  readonly port: number
}

export interface MailUser {
  readonly address: string
  /** Also the name to sign in with. */
  readonly user: string
  readonly password: string
}

export interface StoredMail extends ParsedMail {
  /** The bytes as they are on the disk. */
  readonly raw: string
  /** Those of its flags that IMAP clients set: `S` seen, `R` answered, `T` deleted. */
  readonly flags: string
}

export interface MailServerOptions {
  /** Addresses, or names in the server's `domain`. */
  readonly users: ReadonlyArray<string>
  /** Default: `home.test`. */
  readonly domain?: string
}

/** Who signs a mail: the sender's domain; somebody who has not its key, in its name; nobody. */
export type Signed = boolean | "forged"

export interface MailServer {
  /** Where all of it is. */
  readonly folder: string
  /** The name in the `Authentication-Results` that are its own. */
  readonly authservId: string
  readonly imap: Door
  /** For users, with their password. */
  readonly smtp: Door
  /** For everybody who has mail for one of the users; this door stamps. */
  readonly mx: Door
  readonly user: (name: string) => MailUser
  /** Hands a mail to the MX, as a stranger's server does. What it answers is SMTP's last line. */
  readonly send: (mail: SendMailOptions, signed?: Signed) => Promise<string>
  /** Lays a mail into a maildir, past SMTP. */
  readonly deliver: (name: string, raw: string | Uint8Array, folder?: string) => void
  /** What is in a folder, oldest first. Read from the disk. */
  readonly messages: (name: string, folder?: string) => Promise<ReadonlyArray<StoredMail>>
  /** How many there are, without reading them. */
  readonly count: (name: string, folder?: string) => number
  /** How many messages are taken, and not delivered yet. */
  readonly queued: () => number
  /** A new UIDVALIDITY for all folders of a user, who sees all mail under other numbers. While IMAP is down. */
  readonly renumber: (name: string) => void
  /** SIGKILL, and again on the same port. */
  readonly imapDown: () => Promise<void>
  readonly imapUp: () => Promise<void>
  readonly smtpDown: () => Promise<void>
  readonly smtpUp: () => Promise<void>
  /** Both down, in an orderly way. */
  readonly stop: () => Promise<void>
  /** Both up, with the same ports and the same mail. */
  readonly start: () => Promise<void>
  /** SIGKILL to all of it. */
  readonly kill: () => Promise<void>
  /** What the servers wrote into their logs. */
  readonly log: () => string
  /** All of it down, and its folder gone. */
  readonly close: () => Promise<void>
}

/** What this machine lacks to run one. */
export const missing = (): ReadonlyArray<string> => [
  ...missingPrograms({ dovecot: "dovecot-imapd", postfix: "postfix" }),
  ...(fs.existsSync("/usr/sbin/postfix") && !fs.existsSync(master) ? [`${master}`] : []),
  ...(process.getuid?.() === 0 ? [] : ["root (Postfix drops it for its parts)"])
]

const selector = "test"
const authservId = "mx.test"
const bits = { modulusLength: 1024 } as const

const keysOf = (domains: ReadonlyArray<string>) => {
  const right = generateKeyPairSync("rsa", bits)
  const wrong = generateKeyPairSync("rsa", bits)
  const keys = new Map<string, KeyObject>(domains.map((domain) => [domain, right.publicKey]))
  const pem = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }) as string
  return { keys, privateKeys: { right: pem(right.privateKey), wrong: pem(wrong.privateKey) } }
}

const makeMaildir = (folder: string, mail: MailFolder): void => {
  for (const made of [path.dirname(folder), folder, ...["cur", "new", "tmp"].map((sub) => path.join(folder, sub))]) {
    fs.mkdirSync(made, { recursive: true })
    fs.chownSync(made, mail.uid, mail.gid)
  }
}

/** The mail files of a maildir, oldest first. */
const filesIn = (maildir: string): ReadonlyArray<string> =>
  ["new", "cur"]
    .flatMap((sub) => {
      const folder = path.join(maildir, sub)
      return fs.existsSync(folder) ? fs.readdirSync(folder).map((name) => path.join(folder, name)) : []
    })
    .flatMap((file) => {
      const found = fs.statSync(file, { throwIfNoEntry: false }) // renamed in between: its flags changed
      return found === undefined ? [] : [{ file, at: found.mtimeMs }]
    })
    .toSorted((left, right) => left.at - right.at)
    .map(({ file }) => file)

/** The mails of files; each is read once, since what was delivered never changes but in its flags. */
const openReader = () => {
  const known = new Map<string, Promise<ParsedMail & Pick<StoredMail, "raw">>>()
  const read = async (raw: Buffer) => Object.assign(await simpleParser(raw), { raw: raw.toString("latin1") })
  return async (file: string): Promise<StoredMail> => {
    const [name = file, flags = ""] = file.split(":2,")
    // Moved from `new` to `cur` it is the same.
    const key = path.join(path.dirname(path.dirname(name)), path.basename(name))
    if (!known.has(key)) known.set(key, read(fs.readFileSync(file)))
    return { ...await known.get(key)!, flags: /^[A-Z]*/.exec(flags)![0] }
  }
}

const openSenders = (mx: Door, privateKeys: { readonly right: string; readonly wrong: string }) => {
  const transport = createTransport({ ...mx, ignoreTLS: true, name: "elsewhere.test" })
  return async (mail: SendMailOptions, signed: Signed = false): Promise<string> => {
    const { from } = mail.envelope ?? mail
    if (typeof from !== "string") throw new Error("Say who sends it, as a text.")
    const domainName = from.split("@").at(-1)!.replace(/>.*/s, "")
    const privateKey = signed === "forged" ? privateKeys.wrong : privateKeys.right
    const dkim = signed === false ? {} : { dkim: { domainName, keySelector: selector, privateKey } }
    const { response } = await transport.sendMail({ ...mail, ...dkim })
    return response
  }
}

export const startMailServer = async (options: MailServerOptions): Promise<MailServer> => {
  const lacks = missing()
  if (lacks.length > 0) throw new Error(`A mail server needs ${lacks.join(", ")}.`)
  const domain = options.domain ?? "home.test"
  const addresses = options.users.map((name) => name.includes("@") ? name : `${name}@${domain}`)
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-mail-"))
  fs.chmodSync(folder, 0o755)
  const mail: MailFolder = { folder, uid: 65_534, gid: 65_534 }
  const users = new Map(addresses.map((address) => [address, {
    address,
    user: address,
    password: `password-of-${address.split("@")[0]}`
  }]))
  const user = (name: string): MailUser => {
    const found = users.get(name.includes("@") ? name : `${name}@${domain}`)
    if (found === undefined) throw new Error(`There is no ${name} here. There are: ${[...users.keys()].join(", ")}.`)
    return found
  }
  fs.writeFileSync(
    path.join(folder, "passwords"),
    [...users.values()].map(({ user, password }) => `${user}:${password}\n`).join("")
  )
  const maildir = (name: string, sub = "INBOX"): string => {
    const inbox = path.join(homeOf(mail, user(name).address), "Maildir")
    return sub === "INBOX" ? inbox : path.join(inbox, `.${sub}`)
  }
  for (const address of addresses) makeMaildir(maildir(address), mail)
  const [imap, smtp, mx, stamp] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const { keys, privateKeys } = keysOf([...new Set(addresses.map((address) => address.split("@")[1]!))])
  const stamping = await openStamp(stamp, { authservId, keys, selector })
  const host = "127.0.0.1"

  const starting = {
    imap: () => startImap(mail, imap),
    passwords: () => startPasswords(mail),
    smtp: () => startPostfix(mail, { hostname: authservId, addresses, mx, submission: smtp, stamp })
  }
  const running: Partial<Record<keyof typeof starting, ServerProcess>> = {}
  let log = ""
  const up = async (name: keyof typeof starting): Promise<void> => {
    if (running[name]?.running() !== true) running[name] = await starting[name]()
  }
  const down = async (name: keyof typeof starting, how: "stop" | "kill"): Promise<void> => {
    const server = running[name]
    await server?.[how]()
    if (server !== undefined) log += server.said()
    delete running[name]
  }
  const all = Object.keys(starting) as ReadonlyArray<keyof typeof starting>
  const allDown = async (how: "stop" | "kill"): Promise<void> => {
    await Promise.all(all.map((name) => down(name, how)))
  }
  const start = async (): Promise<void> => {
    await Promise.all(all.map(up))
  }
  const close = async (): Promise<void> => {
    await allDown("kill")
    stamping.close()
    fs.rmSync(folder, { recursive: true, force: true })
  }
  let laid = 0
  const read = openReader()
  try {
    await start()
  } catch (error) {
    await close()
    throw error
  }
  return {
    folder,
    authservId,
    imap: { host, port: imap },
    smtp: { host, port: smtp },
    mx: { host, port: mx },
    user,
    send: openSenders({ host, port: mx }, privateKeys),
    deliver: (name, raw, sub) => {
      const box = maildir(name, sub)
      makeMaildir(box, mail)
      const file = `${Date.now()}.${process.pid}_${laid++}.laid`
      fs.writeFileSync(path.join(box, "tmp", file), raw)
      fs.chownSync(path.join(box, "tmp", file), mail.uid, mail.gid)
      fs.renameSync(path.join(box, "tmp", file), path.join(box, "new", file))
    },
    messages: async (name, sub) => {
      while (true) {
        try {
          return await Promise.all(filesIn(maildir(name, sub)).map(read))
        } catch (error) {
          // Renamed since it was listed.
          if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
        }
      }
    },
    count: (name, sub) => filesIn(maildir(name, sub)).length,
    queued: () => inQueue(mail),
    renumber: (name) => {
      if (running.imap !== undefined) throw new Error("Numbers change only while IMAP is down.")
      for (const entry of fs.readdirSync(maildir(name), { recursive: true, encoding: "utf8" })) {
        if (/(^|\/)dovecot[-.]/.test(entry)) fs.rmSync(path.join(maildir(name), entry))
      }
    },
    imapDown: () => down("imap", "kill"),
    imapUp: () => up("imap"),
    smtpDown: () => down("smtp", "kill"),
    smtpUp: () => up("smtp"),
    stop: () => allDown("stop"),
    start,
    kill: () => allDown("kill"),
    log: () => {
      const postfix = fs.existsSync(logOf(mail)) ? fs.readFileSync(logOf(mail), "utf8") : ""
      return log + all.map((name) => running[name]?.said() ?? "").join("") + postfix
    },
    close
  }
}
