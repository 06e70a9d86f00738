import type { Files } from '@murmuration/world'
import { backupsKept, varFolder } from '../fleet/places.ts'
import type { Reader } from './reader.ts'
import { Violation } from './violation.ts'

/** When nothing works any more: no subcloud has more archives than are kept, and what was stored lies there, sweep or not. */
export async function backupsAreKept(files: Files, reader: Reader): Promise<void> {
  const rows = reader.backups().filter((row) => row.state === 'stored')
  for (const [key, list] of Map.groupBy(rows, (row) => `${row.subcloud_id}/${row.release}`)) {
    if (list.length > backupsKept) throw new Violation('backups', `${key} has ${list.length} archives, and ${backupsKept} are to be kept`)
    const there = new Set(await files.list(`${folder}/${key}`))
    const lost = list.find((row) => !there.has(row.file_name))
    if (lost !== undefined) throw new Violation('backups', `the archive ${key}/${lost.file_name} was stored, and it is gone`)
  }
}

/** After a repair sweep archives and rows tell the same, and no place is held. */
export async function backupsAgree(files: Files, reader: Reader): Promise<void> {
  const rows = reader.backups()
  const reserved = rows.find((row) => row.state !== 'stored')
  if (reserved !== undefined)
    throw new Violation('left-behind', `a backup of subcloud ${reserved.subcloud_id} holds its place, and nobody makes it`)
  const known = new Set(rows.map((row) => `${row.subcloud_id}/${row.release}/${row.file_name}`))
  const found = new Set<string>()
  for (const id of await files.list(folder))
    for (const release of await files.list(`${folder}/${id}`))
      for (const file of await files.list(`${folder}/${id}/${release}`)) found.add(`${id}/${release}/${file}`)
  for (const path of found) if (!known.has(path)) throw new Violation('left-behind', `the archive ${path} is nobody's`)
  for (const path of known) if (!found.has(path)) throw new Violation('backups', `the archive ${path} is not there`)
}

const folder = `${varFolder}/vault/backups`
