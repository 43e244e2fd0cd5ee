/**
 * What of a plugin's code can be shown, kept in the database so that every host can show it. Texts that are too long, and files
 * that are no text, are known by their hashes alone.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { promisify } from "node:util"
import * as zlib from "node:zlib"
import type { TakenCode } from "./CodeSnapshot.ts"

/** By the path of the file. */
export type CodeTexts = ReadonlyMap<string, string>

export const maximumText = 262_144
export const maximumTexts = 2_097_152

const gzip = promisify(zlib.gzip)
const gunzip = promisify(zlib.gunzip)
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Code of others is shown after the plugin's own. */
export const isForeign = (file: string): boolean => file.split("/").includes("node_modules")

const textOf = (bytes: Uint8Array): string | undefined => {
  if (bytes.includes(0)) return undefined
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Of the copy that was taken. */
export const readTexts = async ({ files, folder }: TakenCode): Promise<CodeTexts> => {
  const texts = new Map<string, string>()
  let left = maximumTexts
  const ordered = files.toSorted((a, b) => Number(isForeign(a.path)) - Number(isForeign(b.path)))
  for (const { bytes, path: name } of ordered) {
    if (bytes > Math.min(left, maximumText)) continue
    const text = textOf(await fs.readFile(path.join(folder, name)))
    if (text === undefined) continue
    texts.set(name, text)
    left -= bytes
  }
  return texts
}

export const packTexts = (texts: CodeTexts): Promise<Buffer> => gzip(JSON.stringify([...texts]))

export const unpackTexts = async (packed: Uint8Array): Promise<CodeTexts> => {
  // In JSON a character may take six bytes.
  const text = await gunzip(packed, { maxOutputLength: 8 * maximumTexts })
  return new Map(JSON.parse(text.toString()) as ReadonlyArray<readonly [string, string]>)
}
