import { limits } from '../rules/limits.ts'
import type { Room } from '../room.ts'
import { pruneRevocations } from '../store/revocations.ts'
import { allSigningKeys } from '../store/signing-keys.ts'
import { resealSettings } from './sealed-settings.ts'

export interface Housekeeping {
  start(): void
  stop(): Promise<void>
}

/** What housekeeping needs of the service. */
export type HouseParts = Pick<Room, 'world' | 'db' | 'keyring' | 'keys' | 'limits'>

/** Drops what has expired, seals anew after a rotation of the keyring, and changes the signing key every month. */
export async function keepHouse(room: HouseParts): Promise<void> {
  const nowMs = room.world.clock.nowMs()
  await room.keyring.reload()
  await room.db.transaction((tx) => pruneRevocations(tx, nowMs))
  await room.db.transaction(async (tx) => {
    await room.keys.tidy(tx)
    await resealSettings(tx, room.keyring)
  })
  await room.db.transaction(async (tx) => {
    await tx.lock('signing-keys')
    const [newest] = await allSigningKeys(tx)
    if (newest === undefined || nowMs - newest.sign_from_ms > room.limits.signingKeyAgeMs)
      await room.keys.rotate(tx, { leadMs: room.limits.signingKeyLeadMs })
  })
}

export function createHousekeeping(room: HouseParts): Housekeeping {
  let stopped = false
  let timer: { cancel(): void } | undefined
  let running: Promise<void> = Promise.resolve()
  const next = () => {
    if (stopped) return
    timer = room.world.timers.after(limits.housekeepingIntervalMs, () => {
      running = keepHouse(room)
        .catch((error: unknown) => room.world.log.error('housekeeping of the identity service failed', { error: String(error) }))
        .finally(next)
    })
  }
  return {
    start: next,
    async stop() {
      stopped = true
      timer?.cancel()
      await running
    },
  }
}
