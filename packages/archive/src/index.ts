/** One encrypted file that holds a whole site: its databases as rows that any engine takes, and its files. Format: docs/decisions. */
export { ArchiveRefused, type ArchiveRefusal } from './errors.ts'
export { keyFromPassphrase, keyFromText, type ArchiveKey } from './key.ts'
export type { ArchiveHead, ArchiveKind, EntryHead, EntrySummary, Facts, Manifest } from './manifest.ts'
export { createArchive, type ArchiveWriter } from './writer.ts'
export { readArchive, type ArchiveVisitor } from './reader.ts'
export { databaseContent, readDatabase, type DatabaseFacts } from './database.ts'
export { isSafeName } from './names.ts'
