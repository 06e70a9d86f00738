import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { encoded, sysadminPassword, type Subject } from '../lifecycle/cloud.ts'
import { startFleet, type Fleet } from '../testing/fleet.ts'
import { until } from '../testing/until.ts'
import {
  accepted,
  addGroup,
  addPeer,
  associationAt,
  cycleMs,
  deploy,
  groupAt,
  membersAt,
  process,
  systemOf,
  untilAssociation,
  untilPeer,
} from './sites.ts'
import { startWire, type Wire } from './wire.ts'

/** Three system controllers, each of which stands by for the one before it, with a wire from each to each of its neighbours. */
export interface Ring {
  readonly site1: Fleet
  readonly site2: Fleet
  readonly site3: Fleet
  /** The way from one to another. */
  wire(from: Fleet, to: Fleet): Wire
  readonly groups: readonly RingGroup[]
  end(): Promise<void>
}

export interface RingGroup {
  readonly name: string
  readonly home: Fleet
  readonly standby: Fleet
  readonly subjects: readonly Subject[]
}

export async function startRing(subjects: readonly [Subject, Subject, Subject, Subject]): Promise<Ring> {
  const leftovers: (() => Promise<void>)[] = []
  const end = async (): Promise<void> => {
    for (const remove of leftovers.splice(0).reverse()) await remove()
  }
  try {
    const site1 = await startFleet('embedded')
    leftovers.push(() => site1.end())
    const [site2, site3] = await Promise.all(
      (['peer', 'third'] as const).map(async (as) => {
        const site = await startFleet('embedded', { beside: site1, as })
        leftovers.push(() => site.end())
        return site
      }),
    )
    assert.ok(site2 !== undefined && site3 !== undefined)
    const wires = new Map<string, Wire>()
    const nameOf = (from: Fleet, to: Fleet): string => `${from.name} → ${to.name}`
    const all = [site1, site2, site3]
    for (const [index, from] of all.entries())
      for (const [other, to] of all.entries()) {
        if (from === to) continue
        const wire = await startWire(to, `${site1.prefix.management}.${220 + 3 * index + other}.1`)
        leftovers.push(() => wire.close())
        wires.set(nameOf(from, to), wire)
      }
    const [one, two, three, four] = subjects
    const groups: RingGroup[] = [
      { name: 'spg-a', home: site1, standby: site2, subjects: [one, two] },
      { name: 'spg-b', home: site2, standby: site3, subjects: [three] },
      { name: 'spg-c', home: site3, standby: site1, subjects: [four] },
    ]
    return { site1, site2, site3, groups, end, wire: (from, to) => wires.get(nameOf(from, to))! }
  } catch (error) {
    await end()
    throw error
  }
}

/** Deploys, pairs and groups; ends when every association is in-sync at both ends. */
export async function closeRing(ring: Ring): Promise<void> {
  await Promise.all(ring.groups.flatMap(({ home, subjects }) => subjects.map((subject) => deploy(home, subject))))
  const all = [ring.site1, ring.site2, ring.site3]
  for (const at of all) for (const of of all) if (at !== of) await addPeer(at, of, ring.wire(at, of).authUrl)
  for (const { name, home, standby, subjects } of ring.groups) await addGroup(home, standby, name, subjects)
  for (const { name, home, standby } of ring.groups) {
    await untilAssociation(home, 'in-sync', cycleMs, name)
    await untilAssociation(standby, 'in-sync', cycleMs, name)
    await untilPeer(home, 'available', cycleMs, standby.name)
  }
}

export const syncAt = async (site: Fleet, group: string): Promise<void> =>
  void accepted('sync', await site.dcmanager.send('PATCH', `/v1.0/peer-group-associations/${(await associationAt(site, group)).id}/sync`))

export const migrate = (to: Fleet, group: string) =>
  to.dcmanager.send('PATCH', `/v1.0/subcloud-peer-groups/${group}/migrate`, { json: { sysadmin_password: encoded(sysadminPassword) } })

/**
 * Until everything says the same: members managed at the leader alone, by its epoch at the subcloud itself; both copies of the group
 * name the leader, and nobody migrates; the association is in-sync at both ends.
 */
export async function untilLedBy(leader: Fleet, other: Fleet, { name }: RingGroup, timeoutMs = 180_000): Promise<void> {
  const { uuid } = await systemOf(leader)
  await leader.until(
    `${name} is led by ${leader.name} and by nobody else`,
    async () => {
      const said = [
        ...(await membersAt(leader, name)).map((member) => [
          `${member.name} at ${leader.name}`,
          `${member['deploy-status']} ${member['management-state']} ${member['availability-status']}`,
          'complete managed online',
        ]),
        ...(await membersAt(other, name)).map((member) => [
          `${member.name} at ${other.name}`,
          `${member['deploy-status']} ${member['management-state']}`,
          'secondary unmanaged',
        ]),
        ...(await Promise.all(
          (await membersAt(leader, name)).map(async (member) => [`owner of ${member.name}`, await ownerOf(leader, member.name), uuid]),
        )),
        ...(await Promise.all(
          [leader, other].flatMap((site) => [
            groupAt(site, name).then((group) => [`leader at ${site.name}`, group['system_leader_id'], uuid]),
            groupAt(site, name).then((group) => [`migration at ${site.name}`, group.migration_status, null]),
            associationAt(site, name).then((association) => [`association at ${site.name}`, association['sync-status'], 'in-sync']),
          ]),
        )),
      ]
      const wrong = said.filter(([, is, wanted]) => is !== wanted)
      if (wrong.length > 0) throw new Error(wrong.map(([what, is]) => `${String(what)}: ${String(is)}`).join('; '))
      return true
    },
    timeoutMs,
  )
}

/** As the subcloud itself keeps it. */
async function ownerOf(site: Fleet, subcloud: string): Promise<string> {
  const { folder } = await site.site(subcloud)
  const database = new DatabaseSync(join(folder, 'var/data/platform.db'), { readOnly: true })
  try {
    return String(database.prepare('select owner from ownership').get()?.['owner'])
  } finally {
    database.close()
  }
}

/**
 * `kill -9` of one controller whenever another (or the same) has recorded a step that it had not before, until `over`. Returns the steps.
 */
export async function killAtEachStep(
  victim: Fleet,
  recorder: Fleet,
  kinds: readonly string[],
  begin: () => Promise<unknown>,
  over: () => Promise<boolean>,
): Promise<readonly string[]> {
  const database = new DatabaseSync(join(recorder.varFolder, 'data/dcmanager.db'), { readOnly: true })
  try {
    const marks = kinds.map(() => '?').join(', ')
    const earlier = database
      .prepare(`select id from jobs where kind in (${marks})`)
      .all(...kinds)
      .map(({ id }) => String(id))
    const recorded = database.prepare(`select j.id, s.name from job_steps s join jobs j on j.id = s.job_id where j.kind in (${marks})`)
    const living = database.prepare(`select count(*) as jobs from jobs where kind in (${marks}) and finished_at is null`)
    const died: string[] = []
    const nextStep = () =>
      recorded.all(...kinds).find(({ id, name }) => !earlier.includes(String(id)) && !died.includes(String(name)))?.['name']
    const works = (): boolean => living.get(...kinds)?.['jobs'] !== 0
    let askAtMs = 0
    await begin()
    await until(
      `${victim.name} dies at each step, and the work ends`,
      async () => {
        const fresh = nextStep()
        if (fresh !== undefined) {
          died.push(String(fresh))
          await victim.kill(process)
          await victim.start(process)
          return false
        }
        // A look into the file costs nothing; asking over the wire does, and what works needs the processor.
        if (works() || performance.now() < askAtMs) return false
        askAtMs = performance.now() + 200
        // Looked at again: it may have begun, and ended, while it was asked.
        return (await over()) && !works() && nextStep() === undefined
      },
      { timeoutMs: 300_000, everyMs: 20 },
    )
    return died
  } finally {
    database.close()
  }
}
