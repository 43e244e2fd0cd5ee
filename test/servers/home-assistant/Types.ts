/**
 * What Home Assistant puts on its websocket: its names are HA's own.
 */
export interface Context {
  readonly id: string
  readonly parent_id: string | null
  readonly user_id: string | null
}

export type Attributes = Readonly<Record<string, unknown>>

export interface State {
  readonly entity_id: string
  readonly state: string
  readonly attributes: Attributes
  readonly last_changed: string
  readonly last_reported: string
  readonly last_updated: string
  readonly context: Context
}

export interface HaEvent {
  readonly event_type: string
  readonly data: Readonly<Record<string, unknown>>
  readonly origin: "LOCAL" | "REMOTE"
  readonly time_fired: string
  readonly context: Context
}

export interface Target {
  readonly entity_id?: string | ReadonlyArray<string>
  readonly device_id?: string | ReadonlyArray<string>
  readonly area_id?: string | ReadonlyArray<string>
}

/** One call of a service that came, and what became of it: nothing else knows it. */
export interface ServiceCall {
  readonly at: string
  readonly domain: string
  readonly service: string
  readonly service_data: Readonly<Record<string, unknown>>
  readonly target: Target
  /** What the target came to. */
  readonly entity_ids: ReadonlyArray<string>
  readonly context: Context
  /** `done`, or the code of the error. */
  readonly outcome: string
  readonly answered: boolean
}

/** What a test gives of an entity; the rest is filled in. */
export interface NewEntity {
  readonly entity_id: string
  readonly state?: string
  readonly name?: string
  readonly attributes?: Attributes
  readonly area_id?: string
  readonly device_id?: string
  readonly aliases?: ReadonlyArray<string>
  readonly hidden?: boolean
}

export interface NewArea {
  readonly area_id: string
  readonly name: string
  readonly aliases?: ReadonlyArray<string>
}

export interface NewDevice {
  readonly id: string
  readonly name: string
  readonly area_id?: string
}

/** An answer with `success: false`. */
export class ServiceError extends Error {
  readonly code: string
  readonly translation: Readonly<Record<string, unknown>>
  constructor(code: string, message: string, translation: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.code = code
    this.translation = translation
  }
}

export const domainOf = (entity_id: string): string => entity_id.slice(0, entity_id.indexOf("."))

export const listOf = (value: unknown): ReadonlyArray<string> =>
  typeof value === "string" ? value.split(/\s*,\s*/) : Array.isArray(value) ? value.map(String) : []
