/** What an archive may be made of; a reader believes none of it. */
export const limits = {
  /** Plain bytes of one chunk: what a reader holds in memory, and what a small chunk may grow to. */
  chunkBytes: 256 * 1024,
  entries: 200_000,
  /** Of one archive, unpacked. */
  contentBytes: 4 * 1024 * 1024 * 1024 * 1024,
  /** A row of a database: results of steps may have 1 MiB, uploaded files 16 MiB. */
  rowBytes: 32 * 1024 * 1024,
  tables: 1_000,
  columns: 1_000,
  nameBytes: 1_024,
  nameParts: 32,
} as const
