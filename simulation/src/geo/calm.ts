import type { Course } from '../course.ts'
import { jobsEndWithinMs } from '../check/liveness.ts'
import { Violation } from '../check/violation.ts'
import { times } from '../fleet/places.ts'
import type { OperatorClient } from '../operator/client.ts'
import { endsOf, leadersDisagree, managedTwice, untruths, type Ends, type Told } from './check/rest.ts'
import type { Machine } from './controller.ts'
import { heartbeatSeconds } from './places.ts'
import * as requests from './requests.ts'
import type { GeoWorld } from './world.ts'

const heartbeatMs = heartbeatSeconds * 1_000
/** A heartbeat with its deadline, twice, and what a step of the clock may cost a lease. */
const truthWithinMs = 2 * (heartbeatMs + 5_000) + 60_000
/** An audit of each controller finds out who owns what, and the next one settles it. */
const ownersWithinMs = 3 * (times.auditInterval + times.auditDeadline) + 60_000

type Clients = ReadonlyMap<Machine, OperatorClient>

/** After the last fault: passwords are told, controllers know each other, work ends, and then everything that is said is so. */
export async function comeToRest(world: GeoWorld, course: Course, clients: Clients): Promise<void> {
  const { simulation } = world
  for (const machine of world.machines)
    for (const peer of world.machines) {
      if (peer === machine) continue
      const known = machine.checks.reader.systemPeers().some((each) => each.peer_name === peer.name)
      // Two standbys of one group need each other's record, whatever operators did to it.
      if (!known && world.machines.length < 3) continue
      const { passwordGeneration: generation } = peer
      const call = known ? requests.tellPassword(peer.name, generation) : requests.addPeer(peer.name, { generation })
      await simulation.complete(clients.get(machine)!.call(`the harness at ${machine.name}`, call, true))
    }
  await course.until(jobsEndWithinMs, 'liveness', () =>
    world.machines.flatMap((machine) =>
      machine.checks.jobs.live.map((job) => `${job.kind} of ${job.subject} at ${machine.name} is still ${job.state}`),
    ),
  )
  await course.until(ownersWithinMs, 'one-manager', () => managedTwice(world), 2_000)
  await course.until(ownersWithinMs, 'one-leader', () => endsOf(world).flatMap(leadersDisagree), 2_000)
  const fromMs = simulation.nowMs
  for (;;) {
    if (world.violation !== undefined) return
    const problems: string[] = []
    for (const ends of endsOf(world)) problems.push(...untruths(ends, await told(world, clients, ends)))
    if (problems.length === 0) break
    if (simulation.nowMs - fromMs > truthWithinMs)
      throw new Violation('truth', `${simulation.nowMs - fromMs} ms after everything came to rest ${problems.slice(0, 3).join('; ')}`)
    await course.pass(2_000)
  }
  for (const machine of world.machines) machine.checks.final()
}

/** As callers at both ends read it. */
async function told(world: GeoWorld, clients: Clients, { primary, standby, association, copy }: Ends): Promise<Told> {
  const read = async (machine: Machine, id: number): Promise<Record<string, unknown>> => {
    const answer = await world.simulation.complete(clients.get(machine)!.call(undefined, requests.association(id), true))
    if (answer?.status !== 200) throw new Violation('harness', `association ${id} at ${machine.name} was answered ${answer?.status}`)
    return answer.json as Record<string, unknown>
  }
  const here = await read(primary, association.id)
  const there = copy === undefined ? undefined : await read(standby, copy.association.id)
  return {
    status: String(here['sync-status']),
    message: typeof here['sync-message'] === 'string' ? here['sync-message'] : null,
    copyStatus: there === undefined ? undefined : String(there['sync-status']),
  }
}
