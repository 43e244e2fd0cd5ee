/** A pattern of an intent for what a person says: polite or not, with whatever ends it. */
export const sentence = (body: string): RegExp => new RegExp(`(?:please )?(?:${body})(?:,? please)?[.!?]*`)
