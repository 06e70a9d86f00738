import { AddressRefused, readAddress, type Address } from './addresses.ts'
import { decodeBase64, MapReader, type ParsedDocument, type Problem } from './problems.ts'

/** Reference dcmanager §4.9: how a server is installed through its BMC. Tells all problems at once. */
export function checkInstallValues(
  document: ParsedDocument,
  options: { release: string; bmcPassword?: string; oamFamily?: '4' | '6'; field?: string },
): { problems: readonly Problem[]; values?: Readonly<Record<string, unknown>>; bootstrapAddress?: string } {
  const reader = new MapReader(options.field ?? 'install_values', document)
  if (reader.problems.length > 0) return { problems: reader.problems }

  reader.text('bootstrap_interface', { required: true })
  const bootstrap = address(reader, 'bootstrap_address', true)
  const family = bootstrap?.version
  reader.integer('bootstrap_address_prefix', { min: 1, max: family === 6 ? 128 : 32 }, true)
  reader.integer('install_type', { min: 0, max: 5 }, true)
  reader.text('bmc_username', { required: true })
  const bmc = address(reader, 'bmc_address', true)
  const password = options.bmcPassword ?? reader.text('bmc_password', { maxLength: 4096 })
  if (password === undefined) reader.refuse('bmc_password', 'is missing: send it as the form field bmc_password, in base64')
  else if (decodeBase64(password) === undefined) reader.refuse('bmc_password', 'must be base64 of the password')

  const nextHop = address(reader, 'nexthop_gateway')
  const network = address(reader, 'network_address')
  if (network !== undefined)
    for (const member of ['nexthop_gateway', 'network_mask'])
      if (!reader.has(member)) reader.refuse(member, 'is needed together with network_address')
  if (reader.has('network_mask')) {
    // A prefix length or a dotted mask.
    if (!/^[0-9]{1,3}$/.test(String(reader.get('network_mask')))) address(reader, 'network_mask')
    else reader.integer('network_mask', { min: 0, max: 128 })
  }
  for (const [member, other] of [
    ['bmc_address', bmc],
    ['nexthop_gateway', nextHop],
    ['network_address', network],
  ] as const)
    if (other !== undefined && family !== undefined && other.version !== family)
      reader.refuse(member, 'must be of the same IP family as bootstrap_address')
  if (bmc !== undefined && options.oamFamily !== undefined && String(bmc.version) !== options.oamFamily)
    reader.refuse('bmc_address', 'must be of the IP family of the primary OAM network')

  reader.integer('bootstrap_vlan', { min: 1, max: 4094 })
  reader.integer('rd.net.timeout.ipv6dad', { min: 1 })
  reader.integer('persistent_size', { min: 30_000 })
  reader.integer('hw_settle', { min: 0 })
  reader.integer('rvmc_debug_level', { min: 0, max: 4 })
  for (const member of ['console_type', 'rootfs_device', 'boot_device', 'bmc_ciphersuite']) reader.text(member)
  for (const member of ['no_check_certificate', 'wipe_osds']) boolean(reader, member)
  if (Object.hasOwn(reader.map, 'extra_boot_params') && !reader.has('extra_boot_params'))
    reader.refuse('extra_boot_params', 'must not be empty')
  else reader.text('extra_boot_params', { maxLength: 2048 })
  const version = reader.text('software_version')
  if (version !== undefined && version !== options.release)
    reader.refuse('software_version', `must be ${options.release}, the release to install`)

  if (reader.problems.length > 0) return { problems: reader.problems }
  // The image is always the one of the vault: what a caller names is not used.
  const { image: _image, ...values } = reader.map
  return {
    problems: [],
    values: { ...values, software_version: options.release, bmc_password: password },
    bootstrapAddress: String(reader.get('bootstrap_address')),
  }
}

/** Values that another controller has checked and used: kept as they are, with the release and the password of the request. */
export function trustedInstallValues(
  document: ParsedDocument,
  options: { release: string; bmcPassword?: string; field?: string },
): ReturnType<typeof checkInstallValues> {
  const reader = new MapReader(options.field ?? 'install_values', document)
  if (reader.problems.length > 0) return { problems: reader.problems }
  const { image: _image, ...values } = reader.map
  const address = reader.get('bootstrap_address')
  return {
    problems: [],
    values: {
      ...values,
      software_version: options.release,
      ...(options.bmcPassword === undefined ? {} : { bmc_password: options.bmcPassword }),
    },
    ...(typeof address === 'string' ? { bootstrapAddress: address } : {}),
  }
}

/** What an installation reads: the values, of the release that will be installed, with the BMC's new password if there is one. */
export const installValuesFor = (
  values: unknown,
  { release, bmcPassword }: { readonly release: string; readonly bmcPassword: string | undefined },
): Readonly<Record<string, unknown>> => ({
  ...(values as Readonly<Record<string, unknown>>),
  ...(bmcPassword === undefined ? {} : { bmc_password: bmcPassword }),
  software_version: release,
})

/** Members that may be shown. Everything else that an operator put there is hidden: it may be a secret. */
const shownMembers: ReadonlySet<string> = new Set([
  'bootstrap_interface',
  'bootstrap_address',
  'bootstrap_address_prefix',
  'bootstrap_vlan',
  'install_type',
  'bmc_address',
  'bmc_username',
  'nexthop_gateway',
  'network_address',
  'network_mask',
  'console_type',
  'rootfs_device',
  'boot_device',
  'rd.net.timeout.ipv6dad',
  'no_check_certificate',
  'persistent_size',
  'hw_settle',
  'wipe_osds',
  'rvmc_debug_level',
  'software_version',
])

/** The JSON text that replies carry as `data_install`. */
export const shownInstallValues = (values: Readonly<Record<string, unknown>>): string =>
  JSON.stringify(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, shownMembers.has(name) ? value : '***'])))

function address(reader: MapReader, member: string, required = false): Address | undefined {
  const text = reader.text(member, { required })
  if (text === undefined) return undefined
  try {
    return readAddress(text)
  } catch (error) {
    if (!(error instanceof AddressRefused)) throw error
    reader.refuse(member, error.message)
    return undefined
  }
}

function boolean(reader: MapReader, member: string): void {
  if (!reader.has(member)) return
  const value = reader.get(member)
  if (typeof value !== 'boolean' && !/^(true|false)$/i.test(String(value))) reader.refuse(member, 'must be true or false')
}
