/**
 * What Home Assistant says on its websocket, as far as it is read here. The names are its own.
 */

export interface HaContext {
  readonly id: string
  readonly parent_id?: string | null
  readonly user_id?: string | null
}

export interface HaState {
  readonly entity_id: string
  readonly state: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly last_changed: string
  readonly last_updated: string
  readonly context: HaContext
}

export interface HaEvent {
  readonly event_type: string
  readonly data: Readonly<Record<string, unknown>>
  readonly time_fired: string
  readonly context: HaContext
}

export interface StateChanged {
  readonly entity_id: string
  readonly old_state: HaState | null
  readonly new_state: HaState | null
}

export interface AreaRow {
  readonly area_id: string
  readonly name: string
  readonly aliases?: ReadonlyArray<string>
  readonly floor_id?: string | null
}

export interface FloorRow {
  readonly floor_id: string
  readonly name: string
  readonly aliases?: ReadonlyArray<string>
}

export interface DeviceRow {
  readonly id: string
  readonly name?: string | null
  readonly name_by_user?: string | null
  readonly area_id?: string | null
}

export interface EntityRow {
  readonly entity_id: string
  readonly name?: string | null
  readonly original_name?: string | null
  readonly area_id?: string | null
  readonly device_id?: string | null
  readonly hidden_by?: string | null
  readonly disabled_by?: string | null
  readonly entity_category?: string | null
  /** In `get_entries` only. */
  readonly aliases?: ReadonlyArray<string | null>
}

export interface Registries {
  readonly areas: ReadonlyArray<AreaRow>
  readonly floors: ReadonlyArray<FloorRow>
  readonly devices: ReadonlyArray<DeviceRow>
  readonly entities: ReadonlyArray<EntityRow>
}

export interface HouseConfig {
  readonly location_name: string
  readonly version: string
  /** `RUNNING`, or how far it is on its way there or back. */
  readonly state?: string
  readonly unit_system?: { readonly temperature?: string }
}

export const domainOf = (entityId: string): string => entityId.slice(0, Math.max(0, entityId.indexOf(".")))

export const isEntityId = (text: string): boolean => /^[a-z0-9_]+\.[a-z0-9_]+$/.test(text)

/** An answer of Home Assistant with `success: false`. */
export interface HaError {
  readonly code: string | number
  readonly message: string
}

export const isHaError = (error: unknown): error is HaError =>
  typeof error === "object" && error !== null && !(error instanceof Error) && "code" in error && "message" in error

/** Its words, with a full stop. */
export const wordsOf = (error: unknown): string => {
  const words = isHaError(error) || error instanceof Error ? String(error.message) : String(error)
  const short = words.trim().slice(0, 400)
  return /[.!?]$/.test(short) ? short : `${short}.`
}
