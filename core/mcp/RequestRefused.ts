/**
 * What a server asked of the host, and does not get. `code` is what the protocol sends.
 */

/** Codes of JSON-RPC; `rejected` is the protocol's for what the user does not want. */
export const codes = { invalidRequest: -32_600, invalidParams: -32_602, internalError: -32_603, rejected: -1 } as const

export class RequestRefused extends Error {
  override readonly name = "RequestRefused"
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}
