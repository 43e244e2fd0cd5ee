/**
 * A server refuses one token after the other, however new: a sentence without its subject, for the operator.
 */
export class RefreshedTooOften extends Error {
  override readonly name = "RefreshedTooOften"

  constructor(times: number, minutes: number) {
    super(
      `does not take its own tokens: they were refreshed ${times} times in ${minutes} minutes, and are not for now. ` +
        "Look at its sign-in, or switch it off."
    )
  }
}
