/**
 * Finds the secrets in a plugin's options: references that must be in the store, and values that the operator wrote
 * out where a reference was possible.
 */
import { SchemaAST } from "effect"
import { showPath } from "./Explain.ts"
import { isSecretRef, secretOptionAnnotation, type SecretRef } from "./Secret.ts"

/** Every reference in a value, however deep. */
export const findSecretRefs = (value: unknown): ReadonlyArray<SecretRef> => {
  const found: Array<SecretRef> = []
  const seen = new Set<object>()
  const visit = (item: unknown): void => {
    if (typeof item !== "object" || item === null || seen.has(item)) return
    seen.add(item)
    if (isSecretRef(item)) found.push(item)
    else if (item instanceof Map || item instanceof Set || Array.isArray(item)) { for (const part of item) visit(part) }
    else for (const part of Object.values(item)) visit(part)
  }
  visit(value)
  return found
}

export interface PlainSecret {
  /** `smtp.password` */
  readonly option: string
  readonly value: string
}

/** Strings where the schema takes a secret. */
export const findPlainSecrets = (ast: SchemaAST.AST, value: unknown): ReadonlyArray<PlainSecret> => {
  const found: Array<PlainSecret> = []
  const visit = (node: SchemaAST.AST, item: unknown, path: ReadonlyArray<PropertyKey>): void => {
    if (item === undefined || path.length > 32) return
    if (SchemaAST.resolveAt(secretOptionAnnotation)(node) === true) {
      if (typeof item === "string") found.push({ option: showPath(path), value: item })
      return
    }
    if (SchemaAST.isUnion(node)) { for (const type of node.types) visit(type, item, path) }
    else if (SchemaAST.isSuspend(node)) visit(node.thunk(), item, path)
    else if (typeof item !== "object" || item === null) return
    else if (SchemaAST.isObjects(node)) {
      const record = item as Record<PropertyKey, unknown>
      const named = new Set(node.propertySignatures.map(({ name }) => name))
      for (const { name, type } of node.propertySignatures) visit(type, record[name], [...path, name])
      for (const { type } of node.indexSignatures) {
        for (const key of Object.keys(record)) if (!named.has(key)) visit(type, record[key], [...path, key])
      }
    } else if (SchemaAST.isArrays(node) && Array.isArray(item)) {
      item.forEach((part, i) => {
        const type = node.elements[i] ?? node.rest[0]
        if (type !== undefined) visit(type, part, [...path, i])
      })
    }
  }
  visit(SchemaAST.toType(ast), value, [])
  return [...new Map(found.map((secret) => [secret.option, secret])).values()]
}
