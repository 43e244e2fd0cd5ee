import { Schema } from "effect"

/** The store can't be read or written; `detail` says what to do. */
export class SecretsError extends Schema.TaggedError<SecretsError>()("SecretsError", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

/** Whatever was thrown, as one. */
export const toSecretsError = (cause: unknown): SecretsError =>
  cause instanceof SecretsError
    ? cause
    : new SecretsError({
      detail: diskSentence(cause) ?? (cause instanceof Error ? cause.message : String(cause)),
      cause
    })

/** What a disk says, as what to do; nothing was changed then. */
export const diskSentence = (cause: unknown): string | undefined => {
  const { code, path } = (typeof cause === "object" && cause !== null ? cause : {}) as NodeJS.ErrnoException
  const where = path === undefined ? "the home of SYRIS" : path
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return "The disk of the secrets is full, so nothing was changed: free some space, and try it again."
    case "EROFS":
      return `${where} is on a disk that can only be read: mount it for writing, or set SYRIS_HOME to another folder.`
    case "EACCES":
    case "EPERM":
      return `This user may not use ${where}: run the command as the one who runs SYRIS.`
    case "ENOTDIR":
      return `${where} is in no folder: set SYRIS_HOME to one.`
    case "EISDIR":
      return `${where} is a folder, and should be a file: move it away.`
    default:
      return undefined
  }
}
