/**
 * Writes answers on the Node response: for the front door and the hot routes, which do without a router.
 */
import type { ServerResponse } from "node:http"
import { type Problem, problemBody, problemType } from "./Problem.ts"

export const writeJson = (
  response: ServerResponse,
  status: number,
  value: unknown,
  extra?: Readonly<Record<string, string>>
): void => {
  if (response.headersSent || response.destroyed) return
  const body = JSON.stringify(value)
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...extra }
  response.writeHead(status, headers)
  response.end(body)
}

export const writeProblem = (response: ServerResponse, problem: Problem): void => {
  if (response.headersSent || response.destroyed) return
  const body = problemBody(problem)
  response.writeHead(problem.status, {
    "content-type": problemType,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    // What was not read of the body is not waited for.
    ...(response.req.complete ? {} : { connection: "close" }),
    ...problem.headers
  })
  response.end(body)
}
