import { damaged, unsafe } from './errors.ts'
import { isSafeName } from './names.ts'

export type ArchiveKind = 'site' | 'controller'
/** What the maker of an archive says in it for its readers; JSON. */
export type Facts = Readonly<Record<string, unknown>>

/** The first record. */
export interface ArchiveHead {
  readonly format: 1
  readonly kind: ArchiveKind
  readonly site: { readonly name: string; readonly role: string; readonly region: string }
  /** Release that the site ran. */
  readonly release: string
  /** UTC, ISO 8601. */
  readonly createdAt: string
  readonly facts: Facts
}

export interface EntryHead {
  readonly name: string
  readonly kind: 'file' | 'database'
  /** Permission bits of a file. */
  readonly mode: number
  readonly facts: Facts
}

export interface EntrySummary extends EntryHead {
  readonly bytes: number
  readonly sha256: string
  /** What was known only after the last byte: counts and digests of tables. */
  readonly result: Facts
}

/** What an archive holds, as far as every byte of it was read and proven. */
export interface Manifest {
  readonly head: ArchiveHead
  readonly entries: readonly EntrySummary[]
  /** Of all entries, unpacked. */
  readonly contentBytes: number
  readonly archiveBytes: number
  readonly archiveSha256: string
}

type Loose = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= 1_024

export function readJson(payload: Uint8Array): Loose {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch {
    throw damaged('a record that is no JSON')
  }
  if (!isObject(value)) throw damaged('a record that is no object')
  return value
}

export function readHead(payload: Uint8Array): ArchiveHead {
  const { format, kind, site, release, createdAt, facts } = readJson(payload)
  const fine = format === 1 && (kind === 'site' || kind === 'controller') && isText(release) && isText(createdAt) && isObject(facts)
  if (!fine || !isObject(site) || !isText(site['name']) || !isText(site['role']) || !isText(site['region']))
    throw damaged('its first record')
  return { format, kind, site: { name: site['name'], role: site['role'], region: site['region'] }, release, createdAt, facts }
}

export function readEntry(payload: Uint8Array): EntryHead {
  const { name, kind, mode, facts } = readJson(payload)
  if (!isSafeName(name)) throw unsafe(`it names a file ${JSON.stringify(name)?.slice(0, 200)}, which could leave its folder`)
  if ((kind !== 'file' && kind !== 'database') || !isCount(mode) || mode > 0o777 || !isObject(facts)) throw damaged(`the entry ${name}`)
  return { name, kind, mode, facts }
}

export function readEnd(payload: Uint8Array): Pick<EntrySummary, 'bytes' | 'sha256' | 'result'> {
  const { bytes, sha256, result } = readJson(payload)
  if (!isCount(bytes) || !isText(sha256) || !isObject(result)) throw damaged('the end of an entry')
  return { bytes, sha256, result }
}

export function readTotals(payload: Uint8Array): { entries: number; contentBytes: number } {
  const { entries, contentBytes } = readJson(payload)
  if (!isCount(entries) || !isCount(contentBytes)) throw damaged('its last record')
  return { entries, contentBytes }
}
