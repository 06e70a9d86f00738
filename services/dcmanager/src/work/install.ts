import type { JobContext } from '@murmuration/jobs'
import type { Secret } from '@murmuration/trust'
import type { DeployInput } from '../rules/operations.ts'
import { bmcPasswordOf, bmcSettings, powerOff } from './bmc.ts'
import { imageUrl } from './image-server.ts'
import { inventoryOf } from './inventory.ts'
import { playbook, subcloudOf, valuesOf, type OperationParts } from './operations.ts'
import { operatorVariables } from './overrides.ts'

/** The reference has no limit for deployments (§4.2), and a playbook that hangs then hangs for ever. */
const deadlineMs = 180 * 60_000

/** Reference dcmanager §4.2, §4.4: install.yml with the install values, rvmc_config_file and install_release_version. */
export async function runInstall(
  parts: OperationParts,
  context: JobContext<Pick<DeployInput, 'subcloudId' | 'release'>>,
  token: Secret,
): Promise<void> {
  const { config } = parts.site
  const row = await subcloudOf(parts, context.input.subcloudId)
  const values = await valuesOf(parts, row.id, 'install_values')
  const password = bmcPasswordOf(values)
  const { release } = context.input
  const image = imageUrl(config, { release, subcloudId: row.id, token, name: 'bootimage.iso' })
  const settings = bmcSettings(values, image, parts.secretsInFiles ? password : undefined)
  const { bmc_password: _sealed, ...variables } = values
  try {
    await playbook(parts, context, row, {
      stage: 'installing',
      playbook: 'install.yml',
      files: {
        'inventory.yml': inventoryOf(config, row, addressOf(values['bootstrap_address'] ?? row.bootstrap_address)),
        'rvmc-config.yaml': settings,
      },
      variables: (folder) => ({
        ...operatorVariables(variables),
        install_release_version: release,
        rvmc_config_file: `${folder}/rvmc-config.yaml`,
        override_files_dir: folder,
      }),
      secrets: { SUBCLOUD_BMC_PASSWORD: password },
      deadlineMs,
    })
  } catch (error) {
    // A server that boots on after its installation was given up would come up half installed.
    if (context.signal.aborted && error === context.signal.reason) await powerOff(parts, context, row, settings, password)
    throw error
  }
}

const addressOf = (value: unknown): string => (typeof value === 'string' ? value : '')
