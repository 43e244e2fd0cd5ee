/** What an event says: its text, else what it carries as JSON; empty where it has neither. From outside. Pure. */
import type { MessageEvent } from "syris/records"

export const wordsOf = ({ structured, text }: Pick<MessageEvent["content"], "structured" | "text">): string =>
  text !== undefined && text !== ""
    ? text
    : Object.keys(structured).length === 0
    ? ""
    : JSON.stringify(structured)
