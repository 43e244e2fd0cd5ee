/**
 * Relative paths that the operator writes are relative to where the operator is. npm moves to the package's folder
 * before it runs a script and keeps the operator's in INIT_CWD; the defaults stay in the package's folder.
 */
import * as path from "node:path"

/** What to change in the environment, so that host and commands find the same folders. */
export const settledPaths = (env: NodeJS.ProcessEnv, cwd: string): Record<string, string> => {
  const movedByNpm = env.INIT_CWD !== undefined && env.npm_package_json !== undefined &&
    path.dirname(env.npm_package_json) === cwd
  if (!movedByNpm) return {}
  const from = env.INIT_CWD
  const settled: Record<string, string> = {}
  for (const name of ["SYRIS_HOME", "SYRIS_CONFIG"]) {
    const given = env[name]
    if (given !== undefined && given !== "" && from !== undefined) settled[name] = path.resolve(from, given)
  }
  return settled
}
