import {
  ArchiveRefused,
  readArchive,
  readDatabase,
  type ArchiveHead,
  type ArchiveKey,
  type DatabaseFacts,
  type EntrySummary,
  type Manifest,
} from '@murmuration/archive'
import type { World } from '@murmuration/world'
import { entryNames } from './scope.ts'

/**
 * Proves a whole archive and writes nothing: every byte, and that every database can be read row by row and is what its maker counted.
 */
export async function verifySiteArchive(
  world: World,
  path: string,
  key: ArchiveKey,
  head?: (head: ArchiveHead) => void,
): Promise<{ manifest: Manifest; siteFile: string }> {
  let siteFile: Uint8Array | undefined
  const manifest = await readArchive(world, path, key, {
    ...(head === undefined ? {} : { head }),
    async entry(entry, content) {
      if (entry.name === entryNames.siteFile) siteFile = await wholeOf(content)
      if (entry.kind !== 'database') return
      const source = await readDatabase(content)
      for (const table of source.tables) for await (const _ of source.rows(table));
      await source.finish()
    },
  })
  if (manifest.entries[0]?.name !== entryNames.siteFile || siteFile === undefined)
    throw new ArchiveRefused('unsafe', 'The archive is not used: it has no site file.')
  return { manifest, siteFile: new TextDecoder().decode(siteFile) }
}

const longestSiteFileBytes = 256 * 1024

async function wholeOf(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of content) {
    bytes += piece.length
    if (bytes > longestSiteFileBytes) throw new ArchiveRefused('unsafe', 'The archive is not used: its site file is too long.')
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

export const factsOf = (entry: EntrySummary): DatabaseFacts => entry.result as unknown as DatabaseFacts

/** What commands print of an archive. */
export function describeArchive(path: string, manifest: Manifest) {
  const databases = manifest.entries.filter((entry) => entry.kind === 'database')
  return {
    path,
    kind: manifest.head.kind,
    site: manifest.head.site.name,
    role: manifest.head.site.role,
    region: manifest.head.site.region,
    release: manifest.head.release,
    createdAt: manifest.head.createdAt,
    bytes: manifest.archiveBytes,
    sha256: manifest.archiveSha256,
    contentBytes: manifest.contentBytes,
    files: manifest.entries.length - databases.length,
    databases: Object.fromEntries(
      databases.map((entry) => {
        const { engine, tables } = factsOf(entry)
        return [String(entry.facts['service']), { engine, tables: tables.length, rows: tables.reduce((sum, table) => sum + table.rows, 0) }]
      }),
    ),
  }
}
