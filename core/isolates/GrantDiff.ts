/**
 * The code of a plugin as it was granted against what it is now, file by file and line by line, for a person who decides.
 *
 * - What it asks for comes first, then its own files, then those of others (`node_modules`).
 * - Lines are compared as they are and shown with all that is invisible written out.
 * - What can't be shown is said: a file that is no text by its hash, what is too long by how much of it is left out. Such a diff
 *   is cut, and is granted by the hash alone.
 */
import { isDeepStrictEqual } from "node:util"
import { broken, type Diff, diffOfLines } from "../contract/LineDiff.ts"
import { visible } from "../contract/Visible.ts"
import type { Permissions } from "../plugin/Plugin.ts"
import type { CodeFile } from "./CodeSnapshot.ts"
import { type CodeTexts, isForeign } from "./CodeTexts.ts"

export interface CodeVersion {
  readonly files: ReadonlyArray<CodeFile>
  readonly texts: CodeTexts
  /** Nothing where it was never loaded. */
  readonly asks: Permissions | undefined
}

/** Characters of all of it. */
const maximumCharacters = 262_144
/** Files that are named where they are not shown. */
const maximumNames = 50

export const permissionKinds = ["net", "read", "write", "env", "secrets", "tools"] as const

const asked = (permissions: Permissions | undefined): ReadonlyArray<string> =>
  permissionKinds.flatMap((kind) => (permissions?.[kind] ?? []).toSorted().map((item) => `${kind}: ${item}`))

/** What it asks for now and did not ask for before. */
export const grown = (before: Permissions, now: Permissions): ReadonlyArray<string> => {
  const known = new Set(asked(before))
  return asked(now).filter((one) => !known.has(one))
}

export const diffOfCode = (before: CodeVersion, now: CodeVersion): Diff => {
  const files = changed(before, now)
  const parts = [diffOfAsks(before.asks, now.asks), summary(files)]
  const unshown: Array<string> = []
  let isCut = parts.some((part) => part?.isCut)
  let left = maximumCharacters
  for (const file of files) {
    const diff = left > 0 ? diffOfFile(file, before.texts, now.texts) : undefined
    if (diff === undefined || diff.text.length > left) {
      unshown.push(file.path)
      isCut = true
      continue
    }
    left -= diff.text.length
    isCut ||= diff.isCut
    parts.push(diff)
  }
  const named = unshown.slice(0, maximumNames).map(visible)
  return {
    text: [
      ...parts.flatMap((part) => part === undefined ? [] : [part.text]),
      ...(named.length === 0 ? [] : [
        ` … ${unshown.length} more files differ, and are not shown: ${named.join(", ")}${
          unshown.length > named.length ? " and others" : ""
        }`
      ])
    ].join("\n"),
    isCut
  }
}

const diffOfAsks = (before: Permissions | undefined, now: Permissions | undefined): Diff | undefined => {
  if (now === undefined) {
    return {
      text: " What it asks for now is not known before it is loaded: look for `permissions` below.",
      isCut: false
    }
  }
  if (before !== undefined && isDeepStrictEqual(asked(before), asked(now))) return undefined
  const diff = diffOfLines(asked(before), asked(now), indented)
  return { text: ` What it asks for:${diff.text === "" ? " nothing" : `\n${diff.text}`}`, isCut: diff.isCut }
}

interface ChangedFile {
  readonly path: string
  readonly before: CodeFile | undefined
  readonly now: CodeFile | undefined
}

const changed = (before: CodeVersion, now: CodeVersion): ReadonlyArray<ChangedFile> => {
  const [was, is] = [before, now].map(({ files }) => new Map(files.map((file) => [file.path, file] as const)))
  return [...new Set([...was!.keys(), ...is!.keys()])]
    .map((path) => ({ path, before: was!.get(path), now: is!.get(path) }))
    .filter((file) => file.before?.sha256 !== file.now?.sha256)
    .toSorted((a, b) => Number(isForeign(a.path)) - Number(isForeign(b.path)) || (a.path < b.path ? -1 : 1))
}

const summary = (files: ReadonlyArray<ChangedFile>): Diff => {
  const [fresh, gone] = ["before", "now"].map((side) =>
    files.filter((file) => file[side as "before" | "now"] === undefined).length
  ) as [number, number]
  const counts = [
    [files.length - fresh - gone, "changed"],
    [fresh, "new"],
    [gone, "gone"]
  ].flatMap(([count, word]) => count === 0 ? [] : [`${count} ${word}`])
  return {
    text: counts.length === 0 ? " Its code is the same." : ` Files: ${counts.join(", ")}.`,
    isCut: false
  }
}

/** No line of a file has the character for a new one. */
const noNewLine = "\n(no new line at the end)"

/** Broken where it is shown, never where it is compared: a new line in the midst of a long one is a difference. */
const indented = (line: string): ReadonlyArray<string> =>
  broken(visible(line === noNewLine ? line.slice(1) : line)).map((piece) => `  ${piece}`)

const diffOfFile = ({ before, now, path }: ChangedFile, was: CodeTexts, is: CodeTexts): Diff => {
  const word = before === undefined ? "new" : now === undefined ? "gone" : "changed"
  const head = ` ${visible(path)}, ${word}:`
  const [old, fresh] = [
    [before, was.get(path)] as const,
    [now, is.get(path)] as const
  ].map(([file, text]) => file === undefined ? [] : text === undefined ? undefined : linesOf(text))
  if (old === undefined || fresh === undefined) {
    const stated = (mark: string, file: CodeFile | undefined): ReadonlyArray<string> =>
      file === undefined ? [] : [`${mark}  ${file.bytes} bytes, SHA-256 ${file.sha256}`]
    return {
      text: [`${head} it is no text, or too long to be shown`, ...stated("-", before), ...stated("+", now)].join("\n"),
      isCut: true
    }
  }
  const { isCut, text } = diffOfLines(old, fresh, indented)
  return { text: `${head}\n${text}`, isCut }
}

/** All that is in it: a carriage return is shown, too, and so is an end without a new line. */
const linesOf = (text: string): ReadonlyArray<string> =>
  text === "" ? [] : text.endsWith("\n") ? text.slice(0, -1).split("\n") : [...text.split("\n"), noNewLine]
