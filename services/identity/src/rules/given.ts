/** A caller's member that is there and not null: clients send null for "not given" as often as they leave it out. */
export const given = <T>(value: T | null | undefined): value is T => value !== null && value !== undefined
