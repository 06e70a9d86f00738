import { isUniqueViolation, type Database } from '@murmuration/data'
import { errors } from '../errors.ts'
import { kubeUpgradeStates, mayMoveUpgrade, type KubeUpgradeState } from '../rules/kubernetes.ts'
import { compareVersions } from '../rules/releases.ts'
import type { Db, KubeUpgradeRow, KubeVersionRow, Schema } from './schema.ts'

export const listKubeVersions = async (db: Db): Promise<KubeVersionRow[]> =>
  (await db.query.selectFrom('kube_versions').selectAll().execute()).sort((a, b) => compareVersions(a.version, b.version))

export const findKubeUpgrade = (db: Db): Promise<KubeUpgradeRow | undefined> =>
  db.query.selectFrom('kube_upgrades').selectAll().executeTakeFirst()

/** One upgrade at a time: the engine keeps it so. */
export async function startKubeUpgrade(database: Database<Schema>, uuid: string, to: string, now: string): Promise<KubeUpgradeRow> {
  try {
    return await database.transaction(async (tx) => {
      const versions = await listKubeVersions(tx)
      const active = versions.find((version) => version.state === 'active')
      if (active === undefined || !versions.some((version) => version.version === to && version.state === 'available')) {
        throw errors.versionUnavailable({ ref: to }, { field: 'to_version' })
      }
      const upgrade = {
        slot: 1,
        uuid,
        from_version: active.version,
        to_version: to,
        state: 'upgrade-started',
        created_at: now,
        updated_at: null,
      }
      return tx.query.insertInto('kube_upgrades').values(upgrade).returningAll().executeTakeFirstOrThrow()
    })
  } catch (error) {
    if (isUniqueViolation(error)) throw errors.upgradeRunning()
    throw error
  }
}

/** The end of an upgrade makes its version the active one, in the same transaction. */
export const moveKubeUpgrade = (database: Database<Schema>, to: KubeUpgradeState, now: string): Promise<KubeUpgradeRow> =>
  database.transaction(async (tx) => {
    const upgrade = await findKubeUpgrade(tx)
    if (upgrade === undefined) throw errors.noUpgrade()
    const from = upgrade.state as KubeUpgradeState
    if (from === to) return upgrade
    if (!mayMoveUpgrade(from, to)) {
      throw errors.upgradeTransition({ from, to, allowed: kubeUpgradeStates[from].join(', ') || 'none' }, { field: 'state' })
    }
    if (to === 'upgrade-complete') {
      await tx.query.updateTable('kube_versions').set({ state: 'unavailable' }).where('version', '=', upgrade.from_version).execute()
      await tx.query.updateTable('kube_versions').set({ state: 'active' }).where('version', '=', upgrade.to_version).execute()
    }
    return tx.query.updateTable('kube_upgrades').set({ state: to, updated_at: now }).returningAll().executeTakeFirstOrThrow()
  })

export const endKubeUpgrade = async (db: Db): Promise<boolean> =>
  (await db.query.deleteFrom('kube_upgrades').executeTakeFirst()).numDeletedRows > 0n
