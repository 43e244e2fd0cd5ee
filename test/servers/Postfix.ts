/**
 * Postfix in a folder of its own, by its `master` alone: it relays nothing, delivers into the maildirs of a test by itself
 * and retries every second what it could not deliver. It has two doors: the one that any server may knock on, where mail is
 * stamped with what was found out about its sender, and the one of its users, who say their password.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { authSocket, type MailFolder } from "./Dovecot.ts"
import { type ServerProcess, startServer } from "./ServerProcess.ts"

export interface PostfixOptions {
  /** The name by which it stamps. */
  readonly hostname: string
  /** Whose mailboxes are here. Mail to others is refused. */
  readonly addresses: ReadonlyArray<string>
  /** The port for everybody. */
  readonly mx: number
  /** The port for users. */
  readonly submission: number
  /** The port of the milter that stamps. */
  readonly stamp: number
}

/** Postfix hands its lines to a part of it that may not write to the test's pipe. */
export const logOf = (mail: MailFolder): string => path.join(mail.folder, "postfix.log")

export const master = "/usr/lib/postfix/sbin/master"

const mainCf = (mail: MailFolder, options: PostfixOptions): string =>
  `compatibility_level = 3.6
queue_directory = ${mail.folder}/queue
data_directory = ${mail.folder}/data
daemon_directory = ${path.dirname(master)}
mail_owner = postfix
setgid_group = postdrop
myhostname = ${options.hostname}
maillog_file_prefixes = ${mail.folder}
maillog_file = ${logOf(mail)}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
mydestination =
relay_domains =
notify_classes =
default_transport = error:this is a server of tests, mail stays inside
virtual_mailbox_domains = ${[...new Set(options.addresses.map((address) => address.split("@")[1]))].join(" ")}
virtual_mailbox_maps = texthash:${mail.folder}/postfix/mailboxes
virtual_mailbox_base = ${mail.folder}/mail
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:${mail.uid}
virtual_gid_maps = static:${mail.gid}
message_size_limit = 40000000
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
smtpd_client_connection_count_limit = 0
smtpd_sasl_type = dovecot
smtpd_sasl_path = ${authSocket(mail)}
milter_default_action = tempfail
`

const masterCf = (options: PostfixOptions): string =>
  `postlog unix-dgram n - n - 1 postlogd
127.0.0.1:${options.mx} inet n - n - - smtpd
  -o smtpd_milters=inet:127.0.0.1:${options.stamp}
  -o smtpd_relay_restrictions=reject_unauth_destination
127.0.0.1:${options.submission} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
`

// What `postfix check` would make; it would also look at the system's own Postfix.
const queues = "active bounce corrupt defer deferred flush hold incoming maildrop private saved trace".split(" ")

const idOf = (file: string, name: string): number => {
  const line = fs.readFileSync(file, "utf8").split("\n").find((line) => line.startsWith(`${name}:`))
  if (line === undefined) throw new Error(`There is no ${name} in ${file}: install Debian's package postfix.`)
  return Number(line.split(":")[2])
}

export const startPostfix = (mail: MailFolder, options: PostfixOptions): Promise<ServerProcess> => {
  const [owner, drop] = [idOf("/etc/passwd", "postfix"), idOf("/etc/group", "postdrop")]
  const folder = (name: string, uid: number, gid: number, mode: number): void => {
    const made = path.join(mail.folder, name)
    fs.mkdirSync(made, { recursive: true })
    fs.chownSync(made, uid, gid)
    fs.chmodSync(made, mode)
  }
  folder("queue", 0, 0, 0o755)
  folder("queue/pid", 0, 0, 0o755)
  folder("queue/public", owner, drop, 0o710)
  for (const name of queues) folder(`queue/${name}`, owner, 0, 0o700)
  folder("data", owner, 0, 0o700)
  folder("postfix", 0, 0, 0o755)
  const write = (name: string, text: string): void =>
    fs.writeFileSync(path.join(mail.folder, "postfix", name), text, { mode: 0o644 })
  write("main.cf", mainCf(mail, options))
  write("master.cf", masterCf(options))
  write("mailboxes", options.addresses.map((address) => `${address} ${address}/Maildir/\n`).join(""))
  return startServer([master, "-c", path.join(mail.folder, "postfix"), "-s", "-d"], [options.mx, options.submission])
}

/** How many messages it has taken and not delivered yet. */
export const inQueue = (mail: MailFolder): number => {
  let count = 0
  for (const name of ["maildrop", "incoming", "active", "deferred"]) {
    for (
      const entry of fs.readdirSync(path.join(mail.folder, "queue", name), { recursive: true, withFileTypes: true })
    ) {
      if (entry.isFile()) count++
    }
  }
  return count
}
