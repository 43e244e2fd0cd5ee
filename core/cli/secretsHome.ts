/**
 * The secrets of the home folder that the environment names, for one command, and what is to be said of them besides.
 */
import { Console, Effect } from "effect"
import { visible } from "../contract/Visible.ts"
import { Environment } from "../database/Environment.ts"

export const openSecrets = Effect.gen(function*() {
  const { home } = yield* Environment
  const { openStore } = yield* Effect.promise(() => import("../secrets/SecretsStore.ts"))
  const notes: Array<string> = []
  return { store: openStore(home, { note: (sentence) => void notes.push(sentence) }), notes }
}).pipe(Effect.provide(Environment.layer))

export const sayNotes = (notes: ReadonlyArray<string>) =>
  Effect.forEach(notes, (note) => Console.error(`syris: ${visible(note)}`), { discard: true })
