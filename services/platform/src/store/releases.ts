import type { Database } from '@murmuration/data'
import { errors } from '../errors.ts'
import { compareVersions, isDeployed, latestOf, majorOf, mayMoveRelease, releaseStates, type ReleaseState } from '../rules/releases.ts'
import type { Db, ReleaseRow, Schema } from './schema.ts'

/** Oldest first, by version. */
export const listReleases = async (db: Db): Promise<ReleaseRow[]> =>
  (await db.query.selectFrom('releases').selectAll().execute()).sort(
    (a, b) => compareVersions(a.sw_version, b.sw_version) || a.release_id.localeCompare(b.release_id),
  )

export const findRelease = (db: Db, ref: string): Promise<ReleaseRow | undefined> =>
  db.query.selectFrom('releases').selectAll().where('release_id', '=', ref).executeTakeFirst()

/** Rejects with a unique violation when the id is taken. */
export const addRelease = (db: Db, release: ReleaseRow): Promise<ReleaseRow> =>
  db.query.insertInto('releases').values(release).returningAll().executeTakeFirstOrThrow()

/** The transition is checked and written as one; at least one release stays deployed. */
export const moveRelease = (database: Database<Schema>, ref: string, to: ReleaseState, now: string): Promise<ReleaseRow> =>
  database.transaction(async (tx) => {
    const release = await findRelease(tx, ref)
    if (release === undefined) throw errors.notFound({ what: 'Release', ref })
    const from = release.state as ReleaseState
    if (from === to) return release
    if (!mayMoveRelease(from, to)) {
      throw errors.releaseTransition({ ref, from, to, allowed: releaseStates[from].join(', ') || 'none' }, { field: 'state' })
    }
    if (isDeployed(from) && !isDeployed(to)) {
      const others = (await listReleases(tx)).filter((other) => isDeployed(other.state) && other.release_id !== ref)
      if (others.length === 0) throw errors.lastRelease({ ref })
    }
    return tx.query
      .updateTable('releases')
      .set({ state: to, updated_at: now })
      .where('release_id', '=', ref)
      .returningAll()
      .executeTakeFirstOrThrow()
  })

export const removeRelease = (database: Database<Schema>, ref: string): Promise<void> =>
  database.transaction(async (tx) => {
    const release = await findRelease(tx, ref)
    if (release === undefined) throw errors.notFound({ what: 'Release', ref })
    if (release.state !== 'available' && release.state !== 'unavailable') throw errors.releaseInUse({ ref, state: release.state })
    await tx.query.deleteFrom('releases').where('release_id', '=', ref).execute()
  })

/** The site's software version follows from what is deployed. */
export async function softwareVersionOf(db: Db): Promise<string> {
  const deployed = (await listReleases(db)).filter((release) => isDeployed(release.state)).map((release) => release.sw_version)
  return majorOf(latestOf(deployed) ?? '')
}
