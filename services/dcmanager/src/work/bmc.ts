import type { JobContext } from '@murmuration/jobs'
import { JobCancelled } from '@murmuration/jobs'
import { Secret } from '@murmuration/trust'
import { NetworkError, type World } from '@murmuration/world'
import type { SubcloudRow } from '../store/subclouds.ts'
import { inventoryHostOf, inventoryOf } from './inventory.ts'
import { OperationRefused, type OperationParts } from './operations.ts'
import type { Values } from './overrides.ts'
import type { AnsibleValue } from './playbooks/documents.ts'

const powerOffDeadlineMs = 60_000
const probeDeadlineMs = 3_000

/** Install values carry it in base64 (reference dcmanager §4.9). */
export function bmcPasswordOf(values: Values): Secret {
  const encoded = values['bmc_password']
  if (typeof encoded !== 'string' || encoded === '')
    throw new OperationRefused(
      'err_code = bmc_cred: the install values have no bmc_password: send the field bmc_password with the request.',
    )
  return new Secret(Buffer.from(encoded, 'base64').toString('utf8'))
}

/** rvmc-config.yaml, as the reference names its members; the password only where a foreign playbook must read it there. */
export function bmcSettings(values: Values, image: string, passwordInFile: Secret | undefined): Record<string, AnsibleValue> {
  return {
    bmc_address: textOf(values['bmc_address']),
    bmc_username: textOf(values['bmc_username']),
    ...(passwordInFile === undefined ? {} : { bmc_password: Buffer.from(passwordInFile.reveal(), 'utf8').toString('base64') }),
    image,
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const urlHost = (address: string): string => (address.includes(':') ? `[${address}]` : address)

/** After an aborted installation (reference §4.2): at most 60 s, and whatever comes of it, the abort stands. */
export async function powerOff(
  parts: OperationParts,
  context: JobContext<unknown>,
  row: Pick<SubcloudRow, 'id' | 'name' | 'initial_deployment'>,
  settings: Record<string, AnsibleValue>,
  password: Secret,
): Promise<void> {
  if (!(context.signal.reason instanceof JobCancelled)) return
  const { site } = parts
  try {
    await parts.playbooks.run({
      jobId: context.id,
      epoch: context.epoch,
      subcloudId: row.id,
      host: inventoryHostOf(row),
      name: row.name,
      stage: 'installing',
      prompt: true,
      playbook: `${site.config.playbooksFolder}/power_off.yml`,
      files: { 'inventory.yml': inventoryOf(site.config, row, '127.0.0.1'), 'rvmc-config.yaml': settings },
      variables: (folder) => ({ rvmc_config_file: `${folder}/rvmc-config.yaml` }),
      secrets: { SUBCLOUD_BMC_PASSWORD: password },
      deadlineMs: powerOffDeadlineMs,
      // The job's own signal has fired already.
      signal: new AbortController().signal,
      abortWaits: () => false,
      progress: () => {},
    })
  } catch (error) {
    site.world.log.warn('the server could not be powered off after an aborted installation', { subcloudId: row.id, error })
  }
}

/**
 * True when something answers as a BMC does: GET https://<bmc>/redfish/v1/ with less than 400 within 3 s (reference dcmanager
 * §1.7 redeploy). A BMC whose own certificate nobody vouches for answers too, as far as this question goes.
 */
export async function bmcAnswers(world: World, bmcAddress: string): Promise<boolean> {
  try {
    const answer = await world.net.request({
      method: 'GET',
      url: `https://${urlHost(bmcAddress)}/redfish/v1/`,
      deadlineMs: probeDeadlineMs,
    })
    return answer.status < 400
  } catch (error) {
    return error instanceof NetworkError && error.code === 'tls'
  }
}
