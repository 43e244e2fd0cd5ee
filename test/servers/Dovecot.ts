/**
 * Dovecot in a folder of its own: IMAP over the maildirs of a test, and, as a second one, the passwords for Postfix, so that
 * the one can be down while the other works.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { pathOf, type ServerProcess, startServer } from "./ServerProcess.ts"

/** Where the mail of a test is, and whose files they are. */
export interface MailFolder {
  readonly folder: string
  readonly uid: number
  readonly gid: number
}

/** The home of a mailbox. */
export const homeOf = (mail: MailFolder, address: string): string => path.join(mail.folder, "mail", address)

/** A socket that answers whether a password is right: in the way in which Postfix asks Dovecot. */
export const authSocket = (mail: MailFolder): string => path.join(mail.folder, "auth", "ask")

// Without root it has no other users to give its parts to, and no place to lock them up in.
const unprivileged = (): string => {
  if (process.getuid?.() === 0) return ""
  const { username, gid } = os.userInfo()
  const parts = ["anvil", "stats", "imap-login", "auth", "auth-worker", "log", "imap", "imap-hibernate"]
  return [
    `default_internal_user = ${username}`,
    `default_internal_group = ${gid}`,
    `default_login_user = ${username}`,
    ...parts.map((name) => `service ${name} {\n  chroot =\n  user = ${username}\n}`)
  ].join("\n")
}

const common = (mail: MailFolder, name: string): string => {
  const folder = path.join(mail.folder, name)
  fs.mkdirSync(folder, { recursive: true })
  fs.chmodSync(folder, 0o755)
  // Of one that was killed, which nobody may have buried yet.
  fs.rmSync(path.join(folder, "run", "master.pid"), { force: true })
  return `base_dir = ${folder}/run
state_dir = ${folder}/state
instance_name = ${name}
listen = 127.0.0.1
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0 secs
first_valid_uid = 1
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${mail.folder}/passwords
}
userdb {
  driver = static
  args = uid=${mail.uid} gid=${mail.gid} home=${mail.folder}/mail/%u
}
${unprivileged()}
`
}

const start = (
  mail: MailFolder,
  name: string,
  configuration: string,
  ports: ReadonlyArray<number>,
  ready?: () => boolean
): Promise<ServerProcess> => {
  const file = path.join(mail.folder, `${name}.conf`)
  fs.writeFileSync(file, common(mail, name) + configuration)
  return startServer([pathOf("dovecot")!, "-F", "-c", file], ports, ready === undefined ? {} : { ready })
}

export const startImap = (mail: MailFolder, port: number): Promise<ServerProcess> =>
  start(
    mail,
    "imap",
    `protocols = imap
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
namespace inbox {
  inbox = yes
  mailbox Sent {
    auto = subscribe
    special_use = \\Sent
  }
}
service imap-login {
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
`,
    [port]
  )

export const startPasswords = (mail: MailFolder): Promise<ServerProcess> => {
  fs.rmSync(authSocket(mail), { force: true })
  return start(
    mail,
    "auth",
    `protocols =
service auth {
  unix_listener ${authSocket(mail)} {
    mode = 0666
  }
}
`,
    [],
    () => fs.existsSync(authSocket(mail))
  )
}
