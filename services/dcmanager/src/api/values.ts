import type { ParsedDocument } from '../rules/problems.ts'
import type { Secret } from '@murmuration/trust'
import { errors, invalid, invalidField } from '../errors.ts'
import { AddressRefused, networkKeys, readAddress, shown } from '../rules/addresses.ts'
import { checkBootstrapValues, type BootstrapFacts, type ControllerNetwork } from '../rules/bootstrap-values.ts'
import { checkDeployConfig } from '../rules/deploy-config.ts'
import { checkInstallValues, shownInstallValues, trustedInstallValues } from '../rules/install-values.ts'
import type { Problem } from '../rules/problems.ts'
import { busyRelease, isRelease, isSupportedRelease, majorMinor } from '../rules/releases.ts'
import type { Documents } from '../store/documents.ts'
import type { NetworkClaim } from '../store/new-subclouds.ts'
import type { SubcloudColumns } from '../store/subclouds.ts'
import type { ApiContext } from './context.ts'
import type { Form } from './form.ts'

/** What the values files of a request amount to, all of it checked. */
export interface Values {
  readonly release: string
  readonly bootstrap: BootstrapFacts | undefined
  readonly documents: Documents
  /** Columns that follow from the files. */
  readonly columns: SubcloudColumns
  readonly network: NetworkClaim | undefined
  readonly bootstrapAddress: string | undefined
  readonly hasInstallValues: boolean
  readonly hasDeployConfig: boolean
}

/** What is known of the subcloud that the files are for; nothing when it is a new one. */
export interface Known {
  /** The values must be of this name. */
  readonly name?: string
  readonly release?: string
  readonly oamFamily?: '4' | '6' | null
  /** Install values were checked by the site that sends them (reference dcmanager §1.7: not checked for peers). */
  readonly trusted?: boolean
}

/**
 * Reads and checks every values file of a form; tells all problems of all files at once. Asks the controller only what the files
 * need (one cached answer for all requests).
 */
export async function readValues(context: ApiContext, form: Form, known: Known): Promise<Values> {
  const release = await releaseOf(context, form.text('release'), known.release)
  const problems: Problem[] = []

  const bootstrapDocument = form.yaml('bootstrap_values')
  const bootstrap =
    bootstrapDocument === undefined ? undefined : await checkBootstrap(context, bootstrapDocument, form.text('name') ?? undefined)
  if (bootstrap !== undefined) problems.push(...bootstrap.problems)
  const facts = bootstrap?.facts

  const installDocument = form.yaml('install_values')
  const install =
    installDocument === undefined
      ? undefined
      : (known.trusted === true ? trustedInstallValues : checkInstallValues)(installDocument, {
          release,
          ...(form.has('bmc_password') ? { bmcPassword: form.text('bmc_password', 4096)! } : {}),
          ...oamFamilyOf(facts, known),
        })
  if (install !== undefined) problems.push(...install.problems)

  const configDocuments = form.documents('deploy_config')
  const config = configDocuments === undefined ? undefined : checkDeployConfig(configDocuments)
  if (config !== undefined) problems.push(...config.problems)

  const given = form.text('bootstrap-address') ?? form.text('bootstrap_address')
  if (given !== undefined) problems.push(...addressProblems('bootstrap-address', given))
  if (problems.length > 0) throw invalid(problems)
  if (facts !== undefined && known.name !== undefined && facts.name !== known.name)
    throw errors.nameDiffers({ given: shown(facts.name), name: known.name }, { field: 'bootstrap_values.name' })

  const bootstrapAddress = given ?? install?.bootstrapAddress
  return {
    release,
    bootstrap: facts,
    documents: { bootstrap_values: facts?.values, install_values: install?.values, deploy_config: config?.value },
    columns: {
      ...(facts === undefined ? {} : columnsOf(facts)),
      ...(install?.values === undefined ? {} : { data_install: shownInstallValues(install.values) }),
      ...(bootstrapAddress === undefined ? {} : { bootstrap_address: bootstrapAddress }),
    },
    network: facts === undefined ? undefined : networkClaim(facts),
    bootstrapAddress,
    hasInstallValues: install !== undefined,
    hasDeployConfig: config !== undefined,
  }
}

const oamFamilyOf = (facts: BootstrapFacts | undefined, known: Known): { oamFamily?: '4' | '6' } => {
  const family = facts?.oam.family ?? known.oamFamily
  return family === undefined || family === null ? {} : { oamFamily: family }
}

export const columnsOf = (facts: BootstrapFacts) => ({
  management_subnet: facts.network.subnet,
  management_start_ip: facts.network.start,
  management_end_ip: facts.network.end,
  management_gateway_ip: facts.network.gateway,
  systemcontroller_gateway_ip: facts.systemcontrollerGateway,
  external_oam_subnet_ip_family: facts.oam.family,
})

const networkClaim = (facts: BootstrapFacts): NetworkClaim => ({
  keys: networkKeys(facts.network),
  oam: facts.oam,
  field: facts.values['admin_subnet'] === undefined ? 'bootstrap_values.management_start_address' : 'bootstrap_values.admin_start_address',
})

async function checkBootstrap(context: ApiContext, document: ParsedDocument, name: string | undefined) {
  return checkBootstrapValues(document, await controllerNetwork(context), name === undefined ? {} : { name })
}

export async function controllerNetwork(context: ApiContext): Promise<ControllerNetwork> {
  const [system, management] = await Promise.allSettled([context.facts.system(), context.facts.managementNetwork()])
  if (system.status === 'rejected' || management.status === 'rejected')
    throw errors.controllerUnknown({ what: 'system and management network' })
  return { regions: [system.value.regionName], management: management.value }
}

export function addressProblems(field: string, text: string): readonly Problem[] {
  try {
    readAddress(text)
    return []
  } catch (error) {
    if (!(error instanceof AddressRefused)) throw error
    return [{ field, message: error.message }]
  }
}

/**
 * No subcloud is deployed or deleted while a release of the controller is on its way somewhere (reference dcmanager §1.7 order 2).
 * The status differs by operation (§1.17).
 */
export async function requireQuietController(context: ApiContext, refusal: 'softwareBusy' | 'softwareBusyLate'): Promise<void> {
  let releases: Awaited<ReturnType<ApiContext['facts']['releases']>>
  try {
    releases = await context.facts.releases()
  } catch {
    throw errors.softwareUnknown()
  }
  const busy = busyRelease(releases)
  if (busy !== undefined) throw errors[refusal]({ release: busy.releaseId, state: busy.state })
}

async function releaseOf(context: ApiContext, given: string | undefined, known: string | undefined): Promise<string> {
  if (given === undefined && known !== undefined) return known
  const controllerVersion = context.site.config.softwareVersion
  if (given === undefined) return majorMinor(controllerVersion) ?? controllerVersion
  if (!isRelease(given)) throw errors.releaseInvalid({ release: shown(given), wanted: 'of the form MM.mm' }, { field: 'release' })
  let releases: Awaited<ReturnType<ApiContext['facts']['releases']>>
  try {
    releases = await context.facts.releases()
  } catch {
    throw errors.softwareUnknown()
  }
  if (!isSupportedRelease(given, controllerVersion, releases))
    throw errors.releaseInvalid(
      { release: given, wanted: 'the release of the system controller or an older one that it knows' },
      { field: 'release' },
    )
  return given
}

/** Deploy configs need a playbook: the uploaded one with its chart, or the one that is shipped (reference dcmanager §1.7 `deploy_config`). */
export async function requireDeployFiles(context: ApiContext, release: string): Promise<void> {
  const { deployFiles, site } = context
  const shipped = await site.world.files.size(`${site.config.playbooksFolder}/configure.yml`)
  if (shipped !== undefined) return
  const missing: string[] = []
  for (const option of ['deploy_playbook', 'deploy_chart'] as const)
    if ((await deployFiles.path(release, option)) === undefined) missing.push(option)
  if (missing.length > 0)
    throw errors.filesMissing({
      purpose: 'the deploy config',
      files: missing.join(', '),
      remedy: `Upload them for release ${release} with POST /v1.0/subcloud-deploy.`,
    })
}

export function requirePassword(form: Form, name: 'sysadmin_password'): Secret {
  const password = form.password(name)
  if (password === undefined) throw errors.passwordMissing({ field: name }, { field: name })
  return password
}

/** As install values hold it: base64. */
export function bmcPasswordOf(form: Form): string | undefined {
  // Decoded only to be checked.
  return form.password('bmc_password') === undefined ? undefined : form.text('bmc_password', 4096)
}

type Later = 'secondary' | 'migrate' | 'enroll' | 'cloud_init_config'

/** Members that ask for what later versions bring, or another request does; a clear no is better than a half-done yes. */
export function refuseLater(form: Form, members: readonly Later[]): void {
  for (const name of members) {
    const asks = name === 'secondary' || name === 'cloud_init_config' ? form.has(name) : form.flag(name) === true
    if (asks) throw errors.verbUnavailable({ verb: name }, { field: name })
  }
  if (members.includes('enroll') && form.flag('on_site') === true) throw errors.verbUnavailable({ verb: 'on_site' }, { field: 'on_site' })
}

export function requireText(form: Form, name: string): string {
  const text = form.text(name)
  if (text === undefined) throw invalidField(name, 'is missing')
  return text
}
