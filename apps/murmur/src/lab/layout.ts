import { fileURLToPath } from 'node:url'
import { CommandFailed, exitCodes } from '../exit.ts'

/** Where a lab keeps its things; everything below one folder (`var/` or `$MURMUR_VAR`). */
export const labFolder = (environment: Readonly<Record<string, string | undefined>>): string => {
  const folder = environment['MURMUR_VAR']
  return folder === undefined || folder === ''
    ? fileURLToPath(new URL('../../../../var', import.meta.url))
    : folder.startsWith('/')
      ? folder
      : `${process.cwd()}/${folder}`
}

export const controllerName = 'system-controller'
/** The second controller of `npm start -- --peer`. */
export const peerName = 'peer-controller'
export type LabControllerName = typeof controllerName | typeof peerName
export const softwareVersion = '26.09'

/**
 * Addresses of a lab: every 127.x.y.z is this machine, so a site is an address and all sites have the same ports. Management
 * networks begin with the lab's prefix (127.0 unless `MURMUR_LAB_PREFIX` says otherwise, so that several labs fit on one
 * machine), those of the operators with the number after it.
 */
export interface LabNetworks {
  readonly controller: ControllerNetworks
  readonly peer: ControllerNetworks
  /** The n-th subcloud's networks, n from 1 to 199. */
  readonly subcloud: (n: number) => {
    readonly bootstrapAddress: string
    readonly management: { readonly subnet: string; readonly start: string; readonly end: string; readonly gateway: string }
    readonly oam: { readonly subnet: string; readonly gateway: string; readonly floating: string }
  }
}

export interface ControllerNetworks {
  readonly address: string
  readonly management: {
    readonly subnet: string
    readonly start: string
    readonly end: string
    readonly gateway: string
    readonly floating: string
  }
  readonly oam: { readonly subnet: string; readonly gateway: string; readonly floating: string }
}

/** Beyond those of the subclouds, which end with 199. */
const peerNumber = 200

export function labNetworks(environment: Readonly<Record<string, string | undefined>>): LabNetworks {
  const prefix = environment['MURMUR_LAB_PREFIX'] ?? '127.0'
  const second = /^127\.(0|[1-9]\d{0,2})$/.exec(prefix)?.[1]
  if (second === undefined || Number(second) > 254) {
    throw new CommandFailed(
      exitCodes.usage,
      `MURMUR_LAB_PREFIX is ${JSON.stringify(prefix)}: give the first two numbers of the lab's addresses, 127.0 to 127.254.`,
    )
  }
  const oam = `127.${Number(second) + 1}`
  const controllerAt = (n: number): ControllerNetworks => ({
    address: `${prefix}.${n}.1`,
    management: {
      subnet: `${prefix}.${n}.0/24`,
      start: `${prefix}.${n}.1`,
      end: `${prefix}.${n}.100`,
      gateway: `${prefix}.${n}.254`,
      floating: `${prefix}.${n}.1`,
    },
    oam: { subnet: `${oam}.${n}.0/24`, gateway: `${oam}.${n}.254`, floating: `${oam}.${n}.1` },
  })
  return {
    controller: controllerAt(0),
    peer: controllerAt(peerNumber),
    subcloud: (n) => ({
      bootstrapAddress: `${oam}.${n}.2`,
      management: {
        subnet: `${prefix}.${n}.0/28`,
        start: `${prefix}.${n}.2`,
        end: `${prefix}.${n}.10`,
        gateway: `${prefix}.${n}.1`,
      },
      oam: { subnet: `${oam}.${n}.0/28`, gateway: `${oam}.${n}.1`, floating: `${oam}.${n}.2` },
    }),
  }
}

/** `subcloud7` → 7; other names take the lowest free number. */
export const numberOf = (name: string): number | undefined => {
  const match = /^subcloud([1-9]\d{0,2})$/.exec(name)
  const n = match?.[1] === undefined ? undefined : Number(match[1])
  return n !== undefined && n <= 199 ? n : undefined
}

export interface LabPaths {
  readonly folder: string
  readonly sites: string
  /** The first controller's, which commands use when nothing else is said. */
  readonly openrc: string
  readonly state: string
  readonly values: (name: string) => string
  readonly varOf: (controller: LabControllerName) => string
  readonly siteFileOf: (controller: LabControllerName) => string
  readonly siteOpenrc: (name: string) => string
  readonly sysadminPassword: string
}

export const labPaths = (folder: string): LabPaths => ({
  folder,
  sites: `${folder}/sites`,
  openrc: `${folder}/openrc`,
  state: `${folder}/lab.json`,
  values: (name) => `${folder}/values/${name}.yaml`,
  varOf: (controller) => `${folder}/sites/${controller}`,
  siteFileOf: (controller) => `${folder}/sites/${controller}/site.yaml`,
  siteOpenrc: (name) => (name === controllerName ? `${folder}/openrc` : `${folder}/openrc-${name}`),
  sysadminPassword: `${folder}/values/sysadmin-password`,
})

/** A controller's site file: what differs from the defaults, so that a reader sees what matters. */
export const controllerSiteFile = (
  name: LabControllerName,
  paths: LabPaths,
  networks: ControllerNetworks,
  dataUrl: string | undefined,
) => ({
  name,
  role: 'system-controller',
  region: 'RegionOne',
  softwareVersion,
  varFolder: paths.varOf(name),
  ...(dataUrl === undefined ? {} : { dataUrl }),
  address: networks.address,
  networks: { management: networks.management, oam: networks.oam },
  systemMode: 'simplex',
  playbooks: { connection: 'local', sitesFolder: paths.sites },
})

/** Bootstrap values of a lab subcloud, as an operator would write them. */
export const bootstrapValues = (name: string, n: number, { controller, subcloud }: LabNetworks, dataUrl: string) => {
  const networks = subcloud(n)
  return {
    name,
    description: `Lab subcloud ${n}`,
    location: 'this machine',
    system_mode: 'simplex',
    management_subnet: networks.management.subnet,
    management_start_address: networks.management.start,
    management_end_address: networks.management.end,
    management_gateway_address: networks.management.gateway,
    systemcontroller_gateway_address: controller.management.gateway,
    external_oam_subnet: networks.oam.subnet,
    external_oam_gateway_address: networks.oam.gateway,
    external_oam_floating_address: networks.oam.floating,
    // Where the controller keeps its data, its subclouds do too; files are each site's own.
    ...(dataUrl.includes('{region}') ? { data_url: dataUrl } : {}),
  }
}
