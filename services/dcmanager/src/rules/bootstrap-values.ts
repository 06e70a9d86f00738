import { AddressRefused, contains, isHostAddress, readAddress, readSubnet, shown, sizeOf, subnetKeys } from './addresses.ts'
import type { Address, Subnet, SubcloudNetwork } from './addresses.ts'
import { nameProblem, reservedRegions } from './names.ts'
import { MapReader, type ParsedDocument, type Problem } from './problems.ts'
import { withoutRequestMembers } from './request-members.ts'

/** What of the controller the values are checked against. */
export interface ControllerNetwork {
  readonly regions: readonly string[]
  readonly management: { readonly subnet: string; readonly start: string; readonly end: string }
}

/** What the row and the reservations are made of. */
export interface BootstrapFacts {
  readonly name: string
  readonly description: string | undefined
  readonly location: string | undefined
  readonly systemMode: SystemMode
  /** The admin network where there is one, else the management network; of dual-stack pairs the first. */
  readonly network: SubcloudNetwork
  readonly systemcontrollerGateway: string
  readonly oam: { readonly family: '4' | '6'; readonly floating: string; readonly first: string; readonly last: string }
  /** The map as given, with the effective name and without the members of the request. */
  readonly values: Readonly<Record<string, unknown>>
}

export const systemModes = ['simplex', 'duplex', 'duplex-direct'] as const
export type SystemMode = (typeof systemModes)[number]

/** Reference dcmanager §4.8. Tells all problems at once; `facts` only when there is none. */
export function checkBootstrapValues(
  document: ParsedDocument,
  controller: ControllerNetwork,
  options: { name?: string; field?: string } = {},
): { problems: readonly Problem[]; facts?: BootstrapFacts } {
  const reader = new MapReader(options.field ?? 'bootstrap_values', document)
  if (reader.problems.length > 0) return { problems: reader.problems }

  const name = options.name ?? reader.text('name', { required: true })
  if (name !== undefined) {
    const problem = nameProblem(name, 'subcloud')
    if (problem !== undefined) reader.refuse('name', problem)
    else if ([...reservedRegions, ...controller.regions].includes(name))
      reader.refuse('name', 'is the name of a region of the system controller')
  }
  const systemMode = reader.oneOf('system_mode', systemModes, true)
  const management = readNetwork(reader, 'management', systemMode, !reader.has('admin_gateway_address'))
  const hasAdmin = adminMembers.some((member) => reader.has(member))
  const admin = hasAdmin ? readNetwork(reader, 'admin', systemMode, true) : undefined
  if (hasAdmin && reader.has('admin_gateway_address') && reader.has('management_gateway_address'))
    reader.refuse('management_gateway_address', 'must be absent when admin_gateway_address is given')
  const networks = hasAdmin ? admin : management

  const gateways = readAddresses(reader, 'systemcontroller_gateway_address', true)
  if (gateways !== undefined && networks !== undefined) checkControllerGateway(reader, gateways, networks, controller)
  const oam = readOam(reader)
  reader.text('kubernetes_version')
  const dataUrl = reader.text('data_url')
  if (dataUrl !== undefined && /^[a-z+]+:\/\/[^/@]*:[^/@]*@|[?&]password=/.test(dataUrl))
    reader.refuse('data_url', 'must hold no password: these values are readable')
  const [description, location] = [reader.text('description'), reader.text('location')]

  const network = networks?.[0]
  const gateway = gateways?.[0]
  if (
    reader.problems.length > 0 ||
    name === undefined ||
    systemMode === undefined ||
    network === undefined ||
    gateway === undefined ||
    oam === undefined
  )
    return { problems: reader.problems }
  return {
    problems: [],
    facts: {
      name,
      description,
      location,
      systemMode,
      network: network.spelled,
      systemcontrollerGateway: gateway.text,
      oam,
      values: { ...withoutRequestMembers(reader.map), name },
    },
  }
}

/** Any of them makes the admin network the one that the row records. */
export const adminMembers = [
  'admin_subnet',
  'admin_start_address',
  'admin_end_address',
  'admin_gateway_address',
  'admin_floating_address',
] as const

interface Spelled extends Address {
  readonly text: string
}
interface CheckedNetwork {
  readonly subnet: Subnet
  readonly spelled: SubcloudNetwork
}

/** One network, or the two of a dual stack. */
function readNetwork(
  reader: MapReader,
  prefix: 'management' | 'admin',
  systemMode: SystemMode | undefined,
  gatewayRequired: boolean,
): readonly CheckedNetwork[] | undefined {
  const before = reader.problems.length
  const floating = readAddresses(reader, `${prefix}_floating_address`, false)
  // The simplex shortcut: one address is start and end at once.
  const shortcut =
    systemMode === 'simplex' && floating !== undefined && !reader.has(`${prefix}_start_address`) && !reader.has(`${prefix}_end_address`)
  const subnets = readSubnets(reader, `${prefix}_subnet`)
  const starts = shortcut ? floating : readAddresses(reader, `${prefix}_start_address`, true)
  const ends = shortcut ? floating : readAddresses(reader, `${prefix}_end_address`, true)
  const gateways = readAddresses(reader, `${prefix}_gateway_address`, gatewayRequired)
  if (subnets === undefined || starts === undefined || ends === undefined || (gateways === undefined && gatewayRequired)) return undefined
  for (const [member, given] of [
    [`${prefix}_start_address`, starts],
    [`${prefix}_end_address`, ends],
    [`${prefix}_gateway_address`, gateways ?? subnets],
    [`${prefix}_floating_address`, floating ?? subnets],
  ] as const)
    if (given.length !== subnets.length) reader.refuse(member, `must have as many addresses as ${prefix}_subnet has subnets`)
  if (reader.problems.length > before) return undefined

  return subnets.map(({ subnet, text }, index) => {
    const [start, end, gateway] = [starts[index]!, ends[index]!, gateways?.[index]]
    for (const problem of networkProblems(prefix, systemMode ?? 'simplex', subnet, start, end, gateway))
      reader.refuse(problem.member, problem.message)
    if (!shortcut && floating !== undefined && floating[index]!.number !== start.number)
      reader.refuse(`${prefix}_floating_address`, `must equal ${prefix}_start_address`)
    return { subnet, spelled: { subnet: text, start: start.text, end: end.text, gateway: gateway?.text ?? '' } }
  })
}

/** The rules that bootstrap values and network reconfiguration share. */
export function networkProblems(
  prefix: 'management' | 'admin',
  systemMode: SystemMode,
  subnet: Subnet,
  start: Address,
  end: Address,
  gateway: Address | undefined,
): { member: string; message: string }[] {
  const problems: { member: string; message: string }[] = []
  const refuse = (member: string, message: string): void => void problems.push({ member: `${prefix}_${member}`, message })
  const [smallest, fewest] = systemMode === 'simplex' ? [4n, 1n] : [8n, 3n]
  if (sizeOf(subnet) < smallest) refuse('subnet', `is too small: it must have at least ${smallest} addresses`)
  if (subnet.version === 6 && subnet.prefix < 64) refuse('subnet', 'must have a prefix length of at least 64')
  for (const [member, address] of [
    ['start_address', start],
    ['end_address', end],
  ] as const) {
    if (!contains(subnet, address)) refuse(member, `is outside of ${prefix}_subnet`)
    else if (!isHostAddress(subnet, address)) refuse(member, `is the network or broadcast address of ${prefix}_subnet`)
  }
  if (start.version === end.version) {
    if (start.number > end.number) refuse('end_address', `is before ${prefix}_start_address`)
    else if (end.number - start.number + 1n < fewest)
      refuse('end_address', `leaves too few addresses: at least ${fewest} are needed from start to end`)
  }
  if (gateway !== undefined) {
    if (!isHostAddress(subnet, gateway)) refuse('gateway_address', `is not a host address of ${prefix}_subnet`)
    else if (gateway.number >= start.number && gateway.number <= end.number)
      refuse('gateway_address', `is inside ${prefix}_start_address … ${prefix}_end_address`)
  }
  return problems
}

function checkControllerGateway(
  reader: MapReader,
  gateways: readonly Spelled[],
  networks: readonly CheckedNetwork[],
  controller: ControllerNetwork,
): void {
  const member = 'systemcontroller_gateway_address'
  const gateway = gateways[0]!
  if (gateway.version !== networks[0]!.subnet.version)
    return reader.refuse(member, 'must be of the same IP family as the network of the subcloud')
  const problem = controllerGatewayProblem(gateway, controller.management)
  if (problem !== undefined) reader.refuse(member, problem)
}

export function controllerGatewayProblem(gateway: Address, management: ControllerNetwork['management']): string | undefined {
  const [subnet, start, end] = [readSubnet(management.subnet), readAddress(management.start), readAddress(management.end)]
  if (!isHostAddress(subnet, gateway)) return `must be inside the management subnet ${management.subnet} of the system controller`
  if (gateway.number >= start.number && gateway.number <= end.number)
    return `must be outside of ${management.start} … ${management.end}, which the system controller uses itself`
  return undefined
}

function readOam(reader: MapReader): BootstrapFacts['oam'] | undefined {
  const subnets = readSubnets(reader, 'external_oam_subnet')
  const gateways = readAddresses(reader, 'external_oam_gateway_address', true)
  const floatings = readAddresses(reader, 'external_oam_floating_address', true)
  if (subnets === undefined || gateways === undefined || floatings === undefined) return undefined
  for (const [index, { subnet }] of subnets.entries()) {
    if (sizeOf(subnet) < 3n) reader.refuse('external_oam_subnet', 'is too small: it must have at least 3 addresses')
    for (const [member, given] of [
      ['external_oam_gateway_address', gateways],
      ['external_oam_floating_address', floatings],
    ] as const) {
      if (given.length !== subnets.length) reader.refuse(member, 'must have as many addresses as external_oam_subnet has subnets')
      else if (!isHostAddress(subnet, given[index]!)) reader.refuse(member, 'is not a host address of external_oam_subnet')
    }
    if (gateways[index] !== undefined && gateways[index]?.number === floatings[index]?.number)
      reader.refuse('external_oam_floating_address', 'must differ from external_oam_gateway_address')
  }
  for (const member of ['external_oam_node_0_address', 'external_oam_node_1_address']) {
    const nodes = readAddresses(reader, member, false)
    if (nodes?.some((node, index) => subnets[index] === undefined || !isHostAddress(subnets[index].subnet, node)))
      reader.refuse(member, 'is not a host address of external_oam_subnet')
  }
  const { subnet } = subnets[0]!
  return { family: subnet.version === 4 ? '4' : '6', floating: floatings[0]!.text, ...subnetKeys(subnet) }
}

const readAddresses = (reader: MapReader, member: string, required: boolean): readonly Spelled[] | undefined =>
  readPair(reader, member, required, (text) => ({ ...readAddress(text), text }))

const readSubnets = (reader: MapReader, member: string): readonly { version: 4 | 6; subnet: Subnet; text: string }[] | undefined =>
  readPair(reader, member, true, (text) => {
    const subnet = readSubnet(text)
    return { version: subnet.version, subnet, text }
  })

/** One value, or a comma-separated pair of different families (dual stack). */
function readPair<T extends { version: 4 | 6 }>(
  reader: MapReader,
  member: string,
  required: boolean,
  read: (text: string) => T,
): readonly T[] | undefined {
  const text = reader.text(member, { required })
  if (text === undefined) return undefined
  const parts = text.split(',', 3).map((part) => part.trim())
  try {
    const values = parts.map(read)
    if (values.length > 2 || (values.length === 2 && values[0]!.version === values[1]!.version)) {
      reader.refuse(member, `"${shown(text)}" must be one value, or one of each IP family`)
      return undefined
    }
    return values
  } catch (error) {
    if (!(error instanceof AddressRefused)) throw error
    reader.refuse(member, error.message)
    return undefined
  }
}
