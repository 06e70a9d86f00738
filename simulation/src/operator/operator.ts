import type { SeededRandom } from '@murmuration/world/simulated'
import type { Reader, SubcloudRow } from '../check/reader.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { networkCount, siteAt, siteCount } from '../fleet/places.ts'
import type { Call, OperatorClient } from './client.ts'
import * as requests from './requests.ts'

/** What an operator can see and do. */
export interface OperatorParts {
  readonly fleet: Fleet
  readonly reader: Reader
  readonly client: OperatorClient
  readonly random: SeededRandom
  readonly name: string
  /** They back up and restore besides. */
  readonly backups: boolean
}

const longestPauseMs = 6_000

/**
 * Somebody at work: looks at the fleet, does what its state suggests (and now and then what it does not), switches sites off and
 * on, and sometimes asks for two things at once. Works until the time of faults is over.
 */
export async function operate(parts: OperatorParts): Promise<void> {
  const { fleet, random, client, name } = parts
  const { timers } = fleet.operator.world
  for (let turn = 1; !fleet.calm; turn += 1) {
    await timers.sleep(random.between(100, longestPauseMs))
    if (fleet.calm) return
    const calls = choose(parts, turn)
    const repeat = random.chance(0.6)
    if (calls.length === 1) await client.call(name, calls[0]!, repeat)
    // Two at once on the same thing: at most one wins where they exclude each other.
    else await Promise.all(calls.map((call) => client.call(name, call, repeat)))
  }
}

function choose(parts: OperatorParts, turn: number): Call[] {
  const { random, reader, name } = parts
  const what = random.float()
  const rows = reader.subclouds()
  if (parts.backups && random.chance(0.45)) return backupCalls(parts, rows)
  if (what < 0.14) return addSomewhere(parts, rows)
  if (what < 0.2) return [groupCall(parts, rows, turn)]
  if (what < 0.24) return [random.pick([requests.list(), requests.notify()])]
  const row = rows[random.int(rows.length)]
  if (row === undefined) return addSomewhere(parts, rows)
  if (what < 0.3) switchSite(parts, row)
  const call = random.chance(0.8) ? sensible(parts, row, `${name}-${turn}`) : anything(parts, row, `${name}-${turn}`)
  return random.chance(0.2) ? [call, random.chance(0.5) ? call : anything(parts, row, `${name}-${turn}-too`)] : [call]
}

/** What a subcloud's state suggests of backups, and now and then what it does not; sometimes for a group, sometimes two at once. */
function backupCalls({ random, reader, fleet }: OperatorParts, rows: readonly SubcloudRow[]): Call[] {
  const row = rows[random.int(Math.max(rows.length, 1))]
  if (row === undefined) return [requests.list()]
  const groups = reader.groups()
  const group = groups[random.int(groups.length)]!.name
  const draw = random.float()
  if (draw < 0.15) return [requests.backupGroup(group)]
  if (draw < 0.2) return [requests.restoreGroup(group)]
  const site = siteAt(row.management_start_ip)
  if (draw < 0.4 && row.management_state === 'unmanaged') {
    // Its disk is gone, now and then.
    if (random.chance(0.4)) {
      fleet.simulation.note(`the disk of site ${site} is gone`)
      fleet.site(site).wipe()
    }
    return [requests.restore(row.id)]
  }
  if (draw < 0.5 && row.management_state === 'managed') return [requests.manage(row.id, 'unmanaged', false)]
  const all: readonly [Call, ...Call[]] = [
    requests.backup(row.id),
    requests.backup(row.id),
    requests.deleteBackup(row.id),
    requests.restore(row.id),
  ]
  const call = row.management_state === 'managed' && random.chance(0.7) ? requests.backup(row.id) : random.pick(all)
  return random.chance(0.2) ? [call, random.pick(all)] : [call]
}

function addSomewhere({ random, reader }: OperatorParts, rows: readonly SubcloudRow[]): Call[] {
  void reader
  const taken = new Set(rows.map((row) => siteAt(row.management_start_ip)))
  const free = Array.from({ length: siteCount }, (_, index) => index + 1).filter((site) => !taken.has(site))
  // Now and then a site that is taken, which is to be refused.
  const site = free.length === 0 || random.chance(0.1) ? random.between(1, siteCount) : free[random.int(free.length)]!
  const call = requests.add(site, requests.siteName(site), random.chance(0.4), { install: random.chance(0.4), config: random.chance(0.4) })
  return random.chance(0.15) ? [call, call] : [call]
}

function groupCall({ random, reader }: OperatorParts, rows: readonly SubcloudRow[], turn: number): Call {
  const groups = reader.groups().filter((group) => group.id !== 1)
  const group = groups[random.int(Math.max(groups.length, 1))]
  const row = rows[random.int(Math.max(rows.length, 1))]
  const draw = random.float()
  if (group === undefined || draw < 0.4) return requests.addGroup(`group-${turn % 4}`)
  if (draw < 0.6 || row === undefined) return requests.removeGroup(group.name)
  return requests.moveToGroup(row.id, random.chance(0.3) ? 1 : group.id)
}

/** Their staff switches a site off or on again: only what is offline can be deleted or deployed anew. */
function switchSite({ fleet }: OperatorParts, row: SubcloudRow): void {
  const site = fleet.site(siteAt(row.management_start_ip))
  site.off = !site.off
  fleet.simulation.note(`site ${site.site} is switched ${site.off ? 'off' : 'on'}`)
  if (site.off) site.crash()
  else site.start()
}

const failedBefore: Readonly<Record<string, requests.Verb>> = {
  'create-complete': 'bootstrap',
  'pre-install-failed': 'install',
  'install-failed': 'install',
  'install-aborted': 'install',
  'install-complete': 'bootstrap',
  'pre-bootstrap-failed': 'bootstrap',
  'bootstrap-failed': 'bootstrap',
  'bootstrap-aborted': 'bootstrap',
  'bootstrap-complete': 'configure',
  'pre-config-failed': 'configure',
  'config-failed': 'configure',
  'config-aborted': 'configure',
}

function sensible(parts: OperatorParts, row: SubcloudRow, marker: string): Call {
  const { random, fleet } = parts
  const site = siteAt(row.management_start_ip)
  const status = row.deploy_status
  if (['installing', 'bootstrapping', 'configuring'].includes(status) && random.chance(0.6)) return phase(parts, row, 'abort')
  const verb = failedBefore[status]
  if (verb !== undefined) {
    const draw = random.float()
    if (draw < 0.35) return phase(parts, row, 'resume')
    if (draw < 0.8) return phase(parts, row, status === 'bootstrap-complete' && random.chance(0.5) ? 'complete' : verb)
  }
  if (row.management_state === 'managed' && row.availability_status === 'offline' && random.chance(0.3)) return requests.remove(row.id)
  if (row.management_state === 'managed')
    return random.chance(0.35) ? requests.manage(row.id, 'unmanaged', false) : requests.describe(row.id, marker)
  if (row.availability_status === 'online') {
    const draw = random.float()
    if (draw < 0.5) return requests.manage(row.id, 'managed', false)
    if (draw < 0.65) return requests.moveNetwork(row.id, site, random.int(networkCount))
    if (draw < 0.8)
      return requests.rename(row.id, random.chance(0.8) ? `edge-${site}-${marker}` : requests.siteName(random.between(1, siteCount)))
    if (draw < 0.9) return phase(parts, row, 'configure')
    // So that the next one may delete it or deploy it anew.
    fleet.simulation.note(`site ${site} is switched off`)
    fleet.site(site).off = true
    fleet.site(site).crash()
    return requests.describe(row.id, marker)
  }
  const draw = random.float()
  if (draw < 0.35) return requests.remove(row.id)
  if (draw < 0.7) return requests.redeploy(row.id, site)
  return requests.describe(row.id, marker)
}

function anything(parts: OperatorParts, row: SubcloudRow, marker: string): Call {
  const { random } = parts
  const site = siteAt(row.management_start_ip)
  return random.pick<Call>([
    requests.manage(row.id, 'managed', random.chance(0.2)),
    requests.manage(row.id, 'unmanaged', false),
    requests.describe(row.id, marker),
    requests.rename(row.id, `edge-${site}-${marker}`),
    requests.remove(row.id),
    requests.redeploy(row.id, site),
    requests.moveNetwork(row.id, site, random.int(networkCount)),
    requests.certificateStatus(row.id, random.pick(['in-sync', 'out-of-sync', 'unknown'])),
    phase(parts, row, random.pick(['install', 'bootstrap', 'configure', 'complete', 'abort', 'resume'])),
    requests.operations(row.id),
    requests.show(row.id),
  ])
}

const phase = ({ random }: OperatorParts, row: SubcloudRow, verb: requests.Verb): Call =>
  requests.phase(row.id, siteAt(row.management_start_ip), row.name, verb, { install: random.chance(0.5), config: random.chance(0.7) })
