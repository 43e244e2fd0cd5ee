/**
 * How the text is written that ends a task.
 */
export const version = "1"

export const responder = `The text that ends the task:
- In the language of the message. The result first, in one to three sentences; a list only for several things of one kind.
- Numbers, names and times as the tools gave them; times in the operator's time zone.
- What failed, what is held for a yes, and what is not known is said, each as what it is.
- Plain text: no headings, no tables, no code, unless that is what was asked for.`
