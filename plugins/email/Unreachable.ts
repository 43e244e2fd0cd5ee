/**
 * Why a server can't be reached, for whoever has to do something about it.
 */

const advice: ReadonlyArray<readonly [RegExp, string]> = [
  [/ECONNREFUSED/, "nothing listens there: check the host and the port"],
  [/ENOTFOUND|EAI_AGAIN/, "this name is not known: check the host"],
  [
    /wrong.version.number|ERR_SSL|SSL routines|packet length too long/i,
    "what is there speaks no TLS from the start: check the port, or set secure: false (STARTTLS)"
  ],
  [
    /GREETING_TIMEOUT|greeting never received|greeting from server/i,
    "something is there and says nothing: check the port, or set secure: true (TLS from the start)"
  ],
  [
    /ETIMEDOUT|CONNECT_TIMEOUT|timeout|timed out/i,
    "nobody answered in time: check the host, the port and the firewall"
  ],
  [/EHOSTUNREACH|ENETUNREACH/, "there is no way to it: check the network"],
  [
    /starttls/i,
    "it offers no STARTTLS, without which no password is sent: set secure: true and the port of TLS (993 and 465)"
  ]
]

/** A sentence where it is the certificate, by what is `said` of it. */
export const certificateProblem = (where: string, said: string, message: string): string | undefined =>
  /certificate|self-signed|altname/i.test(said)
    ? `${where} shows a certificate that can't be checked (${message}): give Node its authority by NODE_EXTRA_CA_CERTS.`
    : undefined

export const whyUnreachable = (code: string | undefined, message: string): string => {
  const words = message.replaceAll(/\s+/g, " ").trim().slice(0, 300)
  const [, why] = advice.find(([sign]) => sign.test(`${code ?? ""} ${words}`)) ?? []
  if (why === undefined) return words.replace(/\.$/, "") || code || "the connection ended"
  return /SSL routines/.test(words) ? why : `${why} (${words.replace(/\.$/, "") || code})`
}
