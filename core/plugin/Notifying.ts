/**
 * Marks a tool that says something to people: the `send` of a channel, and the host's own `chat.send`. So many of their
 * calls may go out in an hour (contracts §5). Not for plugins: a tool that is the `send` of a channel has it by that.
 */
const mark = Symbol("syris/Notifying")

export const notifying = <T extends object>(definition: T): T => ({ ...definition, [mark]: true })

export const isNotifying = (definition: object): boolean => mark in definition
