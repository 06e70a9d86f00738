import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import type { Answer } from '../testing/client.ts'
import type { Fleet } from '../testing/fleet.ts'
import {
  bootstrapAddressOf,
  bootstrapFile,
  encoded,
  operationsOf,
  playbooksOf,
  show,
  sysadminPassword,
  untilAvailability,
  untilStatus,
  type Subject,
  type Subcloud,
} from '../lifecycle/cloud.ts'

const password = { sysadmin_password: encoded(sysadminPassword) }
const base = '/v1.0/subcloud-backup'
/** Reads of one subcloud's changes, as the stream would tell them. */
export type Json = Readonly<Record<string, unknown>>

export const create = (fleet: Fleet, json: Json): Promise<Answer> => fleet.dcmanager.send('POST', base, { json: { ...password, ...json } })
export const restore = (fleet: Fleet, json: Json): Promise<Answer> =>
  fleet.dcmanager.send('PATCH', `${base}/restore`, { json: { ...password, ...json } })
/** As the stock client sends it: a form of texts. */
export const remove = (fleet: Fleet, form: Readonly<Record<string, string>>): Promise<Answer> =>
  fleet.dcmanager.send('PATCH', `${base}/delete/26.09`, { form })

export async function makeGroup(fleet: Fleet, name: string): Promise<number> {
  const answer = await fleet.dcmanager.send('POST', '/v1.0/subcloud-groups', {
    json: { name, description: 'backed up together', update_apply_type: 'parallel', max_parallel_subclouds: 3 },
  })
  assert.equal(answer.status, 200, answer.text)
  return (answer.json as { id: number }).id
}

export async function deploy(fleet: Fleet, subject: Subject, groupId: number): Promise<void> {
  const answer = await fleet.dcmanager.send('POST', '/v1.0/subclouds', {
    form: {
      bootstrap_values: await bootstrapFile(fleet, subject),
      'bootstrap-address': bootstrapAddressOf(fleet, subject),
      group_id: String(groupId),
      ...password,
    },
  })
  assert.equal(answer.status, 200, answer.text)
  await untilStatus(fleet, subject.name, 'complete', 180_000)
  await untilAvailability(fleet, subject.name, 'online', 60_000)
  await setManaged(fleet, subject, 'managed')
}

export async function setManaged(fleet: Fleet, { name }: Subject, state: 'managed' | 'unmanaged'): Promise<void> {
  const answer = await fleet.dcmanager.send('PATCH', `/v1.0/subclouds/${name}`, { form: { 'management-state': state } })
  assert.equal(answer.status, 200, answer.text)
}

const transient = new Set(['validating', 'pre-backup', 'backing-up', 'deleting-backup'])

/** Until its backup status is the wanted one; ends with the reason when an operation has ended otherwise. */
export async function untilBackup(fleet: Fleet, { name }: Subject, wanted: string | null, timeoutMs = 120_000): Promise<Subcloud> {
  let subcloud: Subcloud | undefined
  await fleet.until(
    `the backup status of ${name} is ${wanted}`,
    async () => {
      subcloud = await show(fleet, name)
      const status = subcloud['backup-status'] as string | null
      return status === wanted || (status !== null && !transient.has(status) && (await atRest(fleet, name)))
    },
    timeoutMs,
  )
  assert.equal(subcloud!['backup-status'], wanted, subcloud!['error-description'])
  return subcloud!
}

const atRest = async (fleet: Fleet, name: string): Promise<boolean> =>
  (await operationsOf(fleet, name)).every(({ state }) => state !== 'queued' && state !== 'running')

/** Until the playbook of its newest operation, of this kind, waits where the test holds it. */
export const untilHeldIn = (fleet: Fleet, { name }: Subject, kind: string): Promise<true> =>
  fleet.until(`${kind} of ${name} waits`, async () => {
    const [newest] = await operationsOf(fleet, name)
    return newest?.kind === kind && newest['log-tail'].some((line) => line.includes('wait while the test holds this subcloud'))
  })

/** Playbooks of the subcloud: Ansible's own workers, which are its children, are not counted. */
export async function playing(fleet: Fleet, subject: Subject): Promise<number> {
  const found = await playbooksOf(fleet, subject)
  const pids = new Set(found.map(({ pid }) => pid))
  const parents = await Promise.all(found.map(({ pid }) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')))
  return parents.filter((stat) => !pids.has(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))).length
}

/** As a disk that is gone: its processes are dead, and nothing of its folder is left. */
export async function wipe(fleet: Fleet, { name }: Subject): Promise<void> {
  const { folder } = await fleet.site(name)
  await fleet.killSite(name)
  await rm(folder, { recursive: true, force: true })
}
