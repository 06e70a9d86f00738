import assert from 'node:assert/strict'
import { example } from '../testing/addresses.ts'
import type { Answer, Sent } from '../testing/client.ts'
import type { Fleet } from '../testing/fleet.ts'
import { processesNaming, type FoundProcess } from '../testing/processes.ts'

/** What the suite reads of a subcloud on the wire. */
export interface Subcloud {
  readonly id: number
  readonly name: string
  readonly 'deploy-status': string
  readonly 'management-state': string
  readonly 'availability-status': string
  readonly 'region-name': string
  readonly 'error-description': string
  readonly group_id: number
  readonly endpoint_sync_status: readonly { readonly endpoint_type: string; readonly sync_status: string }[]
  readonly [other: string]: unknown
}

export interface Operation {
  readonly id: string
  readonly kind: string
  readonly state: string
  readonly attempt: number
  readonly error: string | null
  readonly steps: readonly { readonly name: string; readonly 'started-at': string; readonly 'finished-at': string }[]
  readonly 'log-tail': readonly string[]
}

export const sysadminPassword = 'Sysadmin-canary-4711'
export const encoded = (text: string): string => Buffer.from(text).toString('base64')

/** A subcloud of the suite: its number decides its addresses. */
export interface Subject {
  readonly name: string
  readonly n: number
}

export const show = (fleet: Fleet, ref: string | number): Promise<Subcloud> => fleet.dcmanager.get<Subcloud>(`/v1.0/subclouds/${ref}`)

export const operationsOf = async (fleet: Fleet, ref: string | number): Promise<readonly Operation[]> =>
  (await fleet.dcmanager.get<{ operations: Operation[] }>(`/v1.0/subclouds/${ref}/operations?limit=100`)).operations

export const bootstrapFile = async (fleet: Fleet, { name, n }: Subject) => ({
  fileName: `${name}.yaml`,
  content: await example('bootstrap-values.yaml', name, n, fleet),
})

export const bootstrapAddressOf = (fleet: Fleet, { n }: Subject): string => `${fleet.prefix.oam}.${n}.2`

const failed = /-failed$/

/** Until the deploy status is the wanted one; ends at once, with the reason, when an operation has failed meanwhile. */
export async function untilStatus(fleet: Fleet, ref: string | number, wanted: string, timeoutMs = 180_000): Promise<Subcloud> {
  let subcloud: Subcloud | undefined
  await fleet.until(
    `${ref} is ${wanted}`,
    async () => {
      subcloud = await show(fleet, ref)
      const status = subcloud['deploy-status']
      return status === wanted || (failed.test(status) && status !== wanted)
    },
    timeoutMs,
  )
  assert.equal(subcloud!['deploy-status'], wanted, subcloud!['error-description'])
  return subcloud!
}

export const untilAvailability = (
  fleet: Fleet,
  ref: string | number,
  wanted: 'online' | 'offline',
  timeoutMs = 30_000,
): Promise<Subcloud> =>
  fleet.until(
    `${ref} is ${wanted}`,
    async () => {
      const subcloud = await show(fleet, ref)
      return subcloud['availability-status'] === wanted && subcloud
    },
    timeoutMs,
  )

/** `ansible-playbook` for this subcloud, as long as one runs. */
export const playbooksOf = async (fleet: Fleet, { name }: Subject): Promise<FoundProcess[]> =>
  (await processesNaming(fleet.folder)).filter(({ command }) => command.includes('ansible-playbook') && command.includes(` ${name} `))

/** Until its playbook waits where the test holds it. */
export const untilHeld = (fleet: Fleet, subject: Subject): Promise<true> =>
  fleet.until(`the playbook of ${subject.name} waits`, async () => {
    const [newest] = await operationsOf(fleet, subject.name)
    return newest?.['log-tail'].some((line) => line.includes('wait while the test holds this subcloud')) === true
  })

/** The same request twice at once: exactly one is accepted; the other one is a refusal of the kind that the reference names. */
export async function once(
  fleet: Fleet,
  method: string,
  path: string,
  sent: Sent,
  refusals: readonly number[] = [400, 409],
): Promise<Answer> {
  const answers = await Promise.all([fleet.dcmanager.send(method, path, sent), fleet.dcmanager.send(method, path, sent)])
  const told = answers.map(({ status, text }) => `${status} ${text.slice(0, 300)}`).join('\n')
  const accepted = answers.filter(({ status }) => status >= 200 && status < 300)
  assert.equal(accepted.length, 1, `${method} ${path} twice at once:\n${told}`)
  const refused = answers.find((answer) => answer !== accepted[0])!
  assert.ok(refusals.includes(refused.status), `${method} ${path} twice at once:\n${told}`)
  return accepted[0]!
}

/** A request that must be refused and leave the subcloud as it was. */
export async function refused(
  fleet: Fleet,
  subject: Subject,
  method: string,
  path: string,
  sent: Sent,
  statuses: readonly number[],
): Promise<void> {
  const before = await show(fleet, subject.name)
  const answer = await fleet.dcmanager.send(method, path, sent)
  assert.ok(statuses.includes(answer.status), `${method} ${path}: ${answer.status} ${answer.text}`)
  assert.deepEqual(await show(fleet, subject.name), before, `${method} ${path} was refused and changed something`)
}
