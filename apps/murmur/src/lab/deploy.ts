import { stringify } from 'yaml'
import { loadSiteConfig } from '@murmuration/site/config'
import type { World } from '@murmuration/world'
import type { Connection } from '../api/connection.ts'
import type { OperationBody, SubcloudBody } from '../api/types.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { bootstrapValues, controllerName, type LabNetworks, type LabPaths, softwareVersion } from './layout.ts'

/** What the lab knows of one subcloud while it brings it up; `say` gets a line whenever something changed. */
export interface Bringing {
  readonly world: World
  readonly api: Connection
  readonly paths: LabPaths
  readonly networks: LabNetworks
  readonly say: (line: string) => void
  /** Aborted when the lab is asked to end. */
  readonly signal?: AbortSignal
}

const pollMs = 500
/** A bootstrap of the lab takes seconds; this is for a machine that is very busy. */
const bringUpTimeoutMs = 15 * 60_000

/** Statuses from which the lab asks for `resume`, as an operator would. */
const resumable = new Set([
  'create-complete',
  'install-complete',
  'pre-bootstrap-failed',
  'bootstrap-failed',
  'bootstrap-aborted',
  'bootstrap-complete',
  'pre-config-failed',
  'config-failed',
  'config-aborted',
])

/** Brings one subcloud from nothing, or from wherever an earlier start left it, to managed, online and complete. */
export async function bringUp(lab: Bringing, name: string, n: number): Promise<void> {
  const { world } = lab
  const deadlineMs = world.clock.monotonicMs() + bringUpTimeoutMs
  let said = ''
  const tell = (line: string): void => {
    if (line !== said) lab.say(`${name}: ${line}`)
    said = line
  }
  let asked = ''
  for (;;) {
    const subcloud = await find(lab.api, name)
    if (subcloud === undefined) {
      await addWhenMissing(lab, name, n)
      continue
    }
    const status = subcloud['deploy-status']
    if (status === 'complete' && subcloud['availability-status'] === 'online') {
      if (subcloud['management-state'] === 'managed') {
        tell('deploy complete, online, managed')
        return
      }
      await lab.api.request('PATCH', `/subclouds/${subcloud.id}`, { fields: { 'management-state': 'managed' } })
    } else if (status === 'create-failed') {
      throw new CommandFailed(
        exitCodes.refused,
        `${name}: ${subcloud['error-description']}`,
        `murmur subcloud delete ${name} --yes, then npm start`,
      )
    } else if (resumable.has(status)) {
      // A failure is tried again once; the second one is the operator's to read.
      if (asked === status)
        throw new CommandFailed(
          exitCodes.refused,
          `${name} ended as ${status}: ${subcloud['error-description']}`,
          `murmur subcloud operations ${name} --log`,
        )
      asked = status
      tell(`${status}, resuming`)
      await lab.api.request('PATCH', `/phased-subcloud-deploy/${subcloud.id}/resume`, { fields: await passwordField(lab) })
    } else tell(await describe(lab.api, subcloud))
    if (world.clock.monotonicMs() > deadlineMs)
      throw new CommandFailed(
        exitCodes.waitTimeout,
        `${name} is still ${status} after ${bringUpTimeoutMs / 60_000} minutes.`,
        `murmur subcloud operations ${name} --log`,
      )
    await world.timers.sleep(pollMs, lab.signal)
  }
}

/** Until what the audits own is in-sync: the last thing a newcomer waits for. */
export async function untilAudited(lab: Bringing, name: string): Promise<void> {
  const deadlineMs = lab.world.clock.monotonicMs() + 3 * 60_000
  const owned = new Set(['dc-cert', 'firmware', 'kubernetes', 'kube-rootca', 'software'])
  for (;;) {
    const subcloud = await find(lab.api, name)
    const waiting = (subcloud?.endpoint_sync_status ?? []).filter(
      (entry) => owned.has(entry.endpoint_type) && entry.sync_status !== 'in-sync',
    )
    if (subcloud !== undefined && waiting.length === 0) return lab.say(`${name}: audited, in-sync`)
    if (lab.world.clock.monotonicMs() > deadlineMs)
      return lab.say(`${name}: still not in-sync: ${waiting.map((entry) => entry.endpoint_type).join(', ')}`)
    await lab.world.timers.sleep(pollMs, lab.signal)
  }
}

async function find(api: Connection, name: string): Promise<SubcloudBody | undefined> {
  const { subclouds } = await api.request<{ subclouds: SubcloudBody[] }>('GET', '/subclouds')
  return subclouds.find((subcloud) => subcloud.name === name)
}

/** Separate from the rest, so that a lab's subclouds have the ids that their names suggest. */
export async function addWhenMissing(lab: Bringing, name: string, n: number): Promise<void> {
  if ((await find(lab.api, name)) !== undefined) return
  await addSubcloud(lab, name, n)
  lab.say(`${name}: added`)
}

/** The values file is written where a person can read it and use it as an example. */
async function addSubcloud(lab: Bringing, name: string, n: number): Promise<void> {
  const { dataUrl } = await loadSiteConfig(lab.world, lab.paths.siteFileOf(controllerName), {})
  const values = stringify(bootstrapValues(name, n, lab.networks, dataUrl))
  await lab.world.files.write(lab.paths.values(name), values)
  await lab.api.request('POST', '/subclouds', {
    fields: { 'bootstrap-address': lab.networks.subcloud(n).bootstrapAddress, release: softwareVersion, ...(await passwordField(lab)) },
    files: [{ name: 'bootstrap_values', fileName: `${name}.yaml`, data: Buffer.from(values) }],
  })
}

/** Nobody signs in with it in the lab (the connection is local), but the API asks for one as it would for a real site. */
async function passwordField(lab: Bringing): Promise<{ sysadmin_password: string }> {
  let password = await lab.world.files.read(lab.paths.sysadminPassword)
  if (password === undefined) {
    password = Buffer.from(`Lab-${Buffer.from(lab.world.random.bytes(18)).toString('base64url')}1`)
    await lab.world.files.write(lab.paths.sysadminPassword, password)
  }
  return { sysadmin_password: Buffer.from(password).toString('base64') }
}

async function describe(api: Connection, subcloud: SubcloudBody): Promise<string> {
  const { operations } = await api.request<{ operations: OperationBody[] }>('GET', `/subclouds/${subcloud.id}/operations?limit=1`)
  const running = operations.find((operation) => operation.state === 'running')
  const status =
    subcloud['deploy-status'] === 'complete' ? `deploy complete, ${subcloud['availability-status']}` : subcloud['deploy-status']
  return running === undefined || running.progress === null ? status : `${status} — ${running.progress}`
}
