/**
 * JSON-RPC 2.0 as both sides speak it. What comes is looked at field by field; what has another shape is `undefined`.
 */

export interface RequestMessage {
  readonly kind: "request"
  readonly id: number
  readonly method: string
  readonly params: unknown
}

export interface NotificationMessage {
  readonly kind: "notification"
  readonly method: string
  readonly params: unknown
}

export interface AnswerMessage {
  readonly kind: "answer"
  readonly id: number
  readonly result: unknown
  readonly error: RpcError | undefined
}

export interface RpcError {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

export const version = "2.0"

/** Codes of JSON-RPC that are used. `failed`: what was asked for threw; `data` says how. */
export const code = { invalidRequest: -32_600, notFound: -32_601, invalidParams: -32_602, failed: -32_000 } as const

const isId = (id: unknown): id is number => Number.isSafeInteger(id) && (id as number) >= 0

const longestMethod = 64

/** Own properties alone are read. */
export const readMessage = (
  given: unknown
): RequestMessage | NotificationMessage | AnswerMessage | undefined => {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return undefined
  const own = (key: string): unknown =>
    Object.hasOwn(given, key) ? (given as Readonly<Record<string, unknown>>)[key] : undefined
  if (own("jsonrpc") !== version) return undefined
  const id = own("id")
  const method = own("method")
  if (typeof method === "string") {
    if (method.length > longestMethod) return undefined
    const params = own("params")
    if (id === undefined) return { kind: "notification", method, params }
    return isId(id) ? { kind: "request", id, method, params } : undefined
  }
  if (method !== undefined || !isId(id)) return undefined
  const error = own("error")
  if (error === undefined) {
    return Object.hasOwn(given, "result") ? { kind: "answer", id, result: own("result"), error: undefined } : undefined
  }
  if (typeof error !== "object" || error === null || Object.hasOwn(given, "result")) return undefined
  const { code: number, data, message } = error as Readonly<Record<string, unknown>>
  if (typeof number !== "number" || typeof message !== "string") return undefined
  return { kind: "answer", id, result: undefined, error: { code: number, message, data } }
}
