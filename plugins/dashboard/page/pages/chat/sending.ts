/**
 * What stands in the field, and under which id it is sent. The same text keeps its id until the host has it, so that a text that
 * was sent again after a failure counts once; another text is another message. Pure.
 */
export interface Writing {
  readonly text: string
  /** What was sent last, and may have arrived. */
  readonly tried?: { readonly text: string; readonly message_id: string } | undefined
}

export const nothingWritten: Writing = { text: "" }

/** What is sent now; nothing where there are no words. */
export const toSend = (
  { text, tried }: Writing,
  newId: () => string
): { readonly text: string; readonly message_id: string } | undefined => {
  const words = text.trim()
  if (words === "") return undefined
  return tried?.text === words ? tried : { text: words, message_id: newId() }
}

/** After the host has it: what was typed meanwhile stays. */
export const sent = (writing: Writing, text: string): Writing =>
  writing.text.trim() === text ? nothingWritten : { text: writing.text }

export const newMessageId = (): string =>
  `page-${
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")
  }`
