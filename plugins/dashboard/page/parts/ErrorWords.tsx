/** What went wrong with a task, a step or a job: the words, and the code for whoever looks it up. */
import type { ErrorDetail } from "syris/records"
import { short, Words } from "./Words.tsx"

export const ErrorWords = ({ error: { code, message } }: { readonly error: ErrorDetail }) => (
  <p className="error-words">
    <Words text={message} lines /> <span className="faint">({short(code)})</span>
  </p>
)
