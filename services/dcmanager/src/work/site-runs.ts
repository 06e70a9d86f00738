import type { JobContext } from '@murmuration/jobs'
import type { Secret } from '@murmuration/trust'
import type { DeployStatus } from '../rules/lifecycle.ts'
import type { DeployInput } from '../rules/operations.ts'
import { epochOf, type SeenOwner } from '../rules/ownership.ts'
import { readDocuments } from '../store/documents.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import type { OwnSystem } from './controller-facts.ts'
import { knownAdminPassword, servicePassword, subcloudAdminPassword, subcloudCertificate, type SubcloudCertificate } from './credentials.ts'
import { inventoryHostOf, inventoryOf } from './inventory.ts'
import { murmurCommandOf, siteFolderOf } from './murmur-command.ts'
import { OperationRefused, ownSystem, playbook, subcloudOf, sysadminPasswordOf, valuesOf, type OperationParts } from './operations.ts'
import { bootstrapOverrides, type ManagementNetwork, type Values } from './overrides.ts'
import { ansibleDocument, type AnsibleValue } from './playbooks/documents.ts'
import { uploadedDeployFiles } from './vault.ts'

/** The reference has no limit for deployments (§4.2), and a playbook that hangs then hangs for ever. */
const deadlineMs = 120 * 60_000
const questionDeadlineMs = 10 * 60_000

/** All that a site is made of, in clear: hold it for as short as possible. */
export interface ReadySite {
  readonly values: Values
  readonly certificate: SubcloudCertificate
  /** Absent: the site has one that it was made with elsewhere. */
  readonly admin: Secret | undefined
  readonly service: Secret
}

/** Here the host gets a site anew, with whatever admin this controller gives it. */
const making: ReadonlySet<DeployStatus> = new Set(['creating', 'pre-bootstrap', 'bootstrapping'])

/** Certificate and passwords of the subcloud; what is missing is made and kept in the vault. Running it again changes nothing. */
export async function readySite(parts: OperationParts, row: SubcloudRow, network: ManagementNetwork = row): Promise<ReadySite> {
  const values = await valuesOf(parts, row.id, 'bootstrap_values')
  return {
    values,
    certificate: await subcloudCertificate(parts.site, row, network, values),
    // A site that was taken over has the admin that it was made with.
    admin:
      row.rehomed === 1 && !making.has(row.deploy_status)
        ? knownAdminPassword(values)
        : await subcloudAdminPassword(parts.site, row, values),
    service: await servicePassword(parts.site),
  }
}

export function bootstrapAddressOf(row: Pick<SubcloudRow, 'bootstrap_address'>): string {
  if (row.bootstrap_address === null)
    throw new OperationRefused('The address of the host is not known: send bootstrap-address with the request.')
  return row.bootstrap_address
}

/** Reference dcmanager §4.2: bootstrap.yml with override_files_dir, region_name, install_release_version. */
export async function runBootstrap(parts: OperationParts, context: JobContext<DeployInput>): Promise<void> {
  const row = await subcloudOf(parts, context.input.subcloudId)
  const ready = await readySite(parts, row)
  const system = await ownSystem(parts, context.signal)
  await playbook(parts, context, row, {
    stage: 'bootstrapping',
    playbook: 'bootstrap.yml',
    files: { 'inventory.yml': inventoryOf(parts.site.config, row, bootstrapAddressOf(row)), ...overridesFile(parts, row, ready) },
    variables: (folder) => siteVariables(parts, row, folder, system),
    secrets: secretsOf(ready, sysadminPasswordOf(parts, row.id, context.input.sysadminPassword)),
    deadlineMs,
  })
}

/** The operator's uploaded deploy playbook, else ours; both get the deploy config. */
export async function runConfigure(parts: OperationParts, context: JobContext<DeployInput>): Promise<void> {
  const row = await subcloudOf(parts, context.input.subcloudId)
  const ready = await readySite(parts, row)
  const uploaded = await uploadedDeployFiles(parts.site, context.input.release)
  const system = await ownSystem(parts, context.signal)
  // An uploaded playbook does not claim the site by itself.
  if (uploaded !== undefined && parts.claimsSites) await requireOwner(parts, context, row)
  await playbook(parts, context, row, {
    stage: 'configuring',
    playbook: uploaded?.playbook ?? 'configure.yml',
    files: { 'inventory.yml': inventoryOf(parts.site.config, row, bootstrapAddressOf(row)), ...overridesFile(parts, row, ready) },
    texts: { 'deploy_config.yml': deployConfigText(await deployConfig(parts, row.id), uploaded === undefined) },
    variables: (folder) => ({
      ...siteVariables(parts, row, folder, system),
      deploy_config: `${folder}/deploy_config.yml`,
      ...(uploaded?.chart === undefined ? {} : { deploy_chart: uploaded.chart }),
      ...(uploaded?.overrides === undefined ? {} : { deploy_overrides: uploaded.overrides }),
    }),
    secrets: secretsOf(ready, sysadminPasswordOf(parts, row.id, context.input.sysadminPassword)),
    deadlineMs,
  })
}

async function requireOwner(parts: OperationParts, context: JobContext<DeployInput>, row: SubcloudRow): Promise<void> {
  const sysadminPassword = sysadminPasswordOf(parts, row.id, context.input.sysadminPassword)
  const { owner, ownerName, epoch } = await readOwner(parts, context, row, sysadminPassword)
  const { uuid } = await ownSystem(parts, context.signal)
  if (owner !== null && (owner !== uuid || epoch !== epochOf(row)))
    throw new OperationRefused(`The site is managed by ${ownerName ?? 'another controller'} (${owner}) under epoch ${epoch}.`)
}

/** Asks the site itself who manages it, on its host: nobody else could be asked whom the site lets in. */
export async function readOwner(
  parts: OperationParts,
  context: JobContext<unknown>,
  row: SubcloudRow,
  sysadminPassword: Secret | undefined,
): Promise<SeenOwner> {
  const system = await ownSystem(parts, context.signal)
  const results = await playbook(parts, context, row, {
    stage: 'rehoming',
    playbook: 'ownership.yml',
    files: { 'inventory.yml': inventoryOf(parts.site.config, row, bootstrapAddressOf(row)) },
    variables: (folder) => siteVariables(parts, row, folder, system),
    secrets: sysadminPassword === undefined ? {} : { SUBCLOUD_SYSADMIN_PASSWORD: sysadminPassword },
    results: ['ownership.json'],
    connectTimeoutSeconds: 180,
    deadlineMs: questionDeadlineMs,
  })
  return seenOwnerOf(parsed(results['ownership.json']))
}

/** Reference dcmanager §4.2: rehome_subcloud.yml with `--timeout 180`, otherwise as the bootstrap; under the epoch that it claims. */
export async function runRehome(
  parts: OperationParts,
  context: JobContext<unknown>,
  row: SubcloudRow,
  to: { readonly epoch: number; readonly sysadminPassword: Secret | undefined },
): Promise<void> {
  const ready = await readySite(parts, row)
  const system = await ownSystem(parts, context.signal)
  const { SUBCLOUD_ADMIN_PASSWORD: _stays, ...secrets } = secretsOf(ready, to.sysadminPassword)
  await playbook(parts, context, row, {
    stage: 'rehoming',
    playbook: 'rehome_subcloud.yml',
    files: { 'inventory.yml': inventoryOf(parts.site.config, row, bootstrapAddressOf(row)), ...overridesFile(parts, row, ready) },
    variables: (folder) => siteVariables(parts, row, folder, system, to.epoch),
    // The admin of the site is the site's; foreign playbooks get what they always got.
    secrets: parts.claimsSites ? secrets : secretsOf(ready, to.sysadminPassword),
    connectTimeoutSeconds: 180,
    deadlineMs,
  })
}

/** Reference dcmanager §4.2: update_subcloud.yml with `--timeout 180` and subcloud_update_overrides. */
export async function runNetworkUpdate(
  parts: OperationParts,
  context: JobContext<unknown>,
  row: SubcloudRow,
  to: { readonly network: ManagementNetwork; readonly bootstrapAddress: string; readonly sysadminPassword: Secret | undefined },
): Promise<void> {
  const ready = await readySite(parts, row, to.network)
  const system = await ownSystem(parts, context.signal)
  await playbook(parts, context, row, {
    stage: 'reconfiguring',
    playbook: 'update_subcloud.yml',
    files: {
      'inventory.yml': inventoryOf(parts.site.config, row, to.bootstrapAddress),
      'update_values.yml': {
        ...overridesOf(parts, row, ready, to.network),
        management_subnet: to.network.management_subnet,
        management_start_address: to.network.management_start_ip,
        management_end_address: to.network.management_end_ip,
        management_gateway_address: to.network.management_gateway_ip,
      },
    },
    variables: (folder) => ({ ...siteVariables(parts, row, folder, system), subcloud_update_overrides: `${folder}/update_values.yml` }),
    secrets: secretsOf(ready, to.sysadminPassword),
    connectTimeoutSeconds: 180,
    deadlineMs,
  })
}

/** The overrides of the site as it is to be: what a bootstrap, and a restore, bring it to. */
export const siteDocument = (parts: OperationParts, row: SubcloudRow, ready: ReadySite): Record<string, AnsibleValue> =>
  overridesOf(parts, row, ready, row)

const overridesOf = (parts: OperationParts, row: SubcloudRow, ready: ReadySite, network: ManagementNetwork) =>
  bootstrapOverrides(parts.site.config, row, network, ready.values, {
    authority: parts.site.authority?.certificate ?? '',
    certificate: ready.certificate.certificate,
  })

const overridesFile = (parts: OperationParts, row: SubcloudRow, ready: ReadySite): Record<string, AnsibleValue> => ({
  [`${inventoryHostOf(row)}.yml`]: overridesOf(parts, row, ready, row),
})

/** `epoch`: under which the site is claimed; by default the one that it is this controller's under. */
export const siteVariables = (
  parts: OperationParts,
  row: SubcloudRow,
  folder: string,
  system: OwnSystem,
  epoch = epochOf(row),
): Record<string, AnsibleValue> => ({
  override_files_dir: folder,
  region_name: row.region_name,
  install_release_version: row.software_version,
  site_folder: siteFolderOf(parts.site.config, row),
  murmur_command: murmurCommandOf(parts.site.config),
  site_owner: system.uuid,
  site_owner_name: system.name,
  site_owner_epoch: epoch,
})

export const secretsOf = (ready: ReadySite, sysadmin: Secret | undefined): Record<string, Secret> => ({
  ...(ready.admin === undefined ? {} : { SUBCLOUD_ADMIN_PASSWORD: ready.admin }),
  SUBCLOUD_SERVICE_PASSWORD: ready.service,
  SUBCLOUD_PRIVATE_KEY: ready.certificate.privateKey,
  ...(sysadmin === undefined ? {} : { SUBCLOUD_SYSADMIN_PASSWORD: sysadmin }),
})

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What `murmur site ownership show` prints; a site that says something else is not touched. */
function seenOwnerOf(told: unknown): SeenOwner {
  const { owner, owner_name: ownerName, epoch, owner_silent_ms: silentMs } = (told ?? {}) as Record<string, unknown>
  const known = owner === null || (typeof owner === 'string' && /^[0-9a-f-]{36}$/i.test(owner))
  if (!known || typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 0)
    throw new OperationRefused('The site does not say who manages it in a way that this version understands.')
  return {
    owner: owner?.toLowerCase() ?? null,
    ownerName: typeof ownerName === 'string' ? ownerName.replaceAll(/\p{C}/gu, '').slice(0, 255) : null,
    epoch,
    silentMs: typeof silentMs === 'number' && silentMs >= 0 ? silentMs : null,
  }
}

/** The maps of the stream that was handed in. */
async function deployConfig(parts: OperationParts, id: number): Promise<readonly unknown[]> {
  const config = (await readDocuments(parts.database, parts.site.keyring, id, ['deploy_config'])).deploy_config
  if (config === undefined) throw new OperationRefused('There is no deploy config: send the file deploy_config with the request.')
  return Array.isArray(config) ? (config as unknown[]) : [config]
}

/**
 * Our playbook reads it as variables, where nothing of it may be a template; an uploaded one may give it to other programs, which
 * get plain JSON (it is YAML).
 */
function deployConfigText(documents: readonly unknown[], forOurs: boolean): string {
  if (!forOurs) return documents.map((document) => `${JSON.stringify(document, undefined, 2)}\n`).join('---\n')
  if (documents.length !== 1)
    throw new OperationRefused(
      'Without an uploaded deploy playbook the deploy config is one YAML map with system and hosts; this one has several documents.',
    )
  return ansibleDocument(documents[0] as AnsibleValue)
}
