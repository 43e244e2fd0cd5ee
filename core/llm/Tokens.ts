/**
 * How many tokens a text is, without a tokeniser: an estimate that is never less than a usual one makes of it, in any
 * language.
 */

/** A token for three bytes. */
export const tokensOf = (text: string): number => Math.ceil(Buffer.byteLength(text) / 3)
