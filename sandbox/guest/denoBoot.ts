/**
 * The main module in Deno. Permissions do not cover what a main module imports, so the plugin is imported by an address that is
 * not known before.
 */
import { serveDeno } from "./serveDeno.ts"

await serveDeno((url) => import(url) as Promise<Record<string, unknown>>)
