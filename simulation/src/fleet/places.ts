/** Where everything is, and what it is called. Sites are numbered from 1. */
export const siteCount = 20
/** Sites that are deployed before a seed begins; the others are for the operators to add. */
export const deployedCount = 14

export const controllerHost = 'controller'
export const operatorHost = 'operator'
export const controllerAddress = '10.10.0.1'
export const varFolder = '/var/lib/murmuration'
export const playbooksFolder = '/usr/share/murmuration/playbooks'
export const softwareVersion = '26.09'
/** Archives of a subcloud at the system controller: few, so that seeds come to more. */
export const backupsKept = 2
export const ports = { identity: 5000, platform: 6385, dcmanager: 8119, identityTls: 5001, platformTls: 6386, dcagentTls: 8326 } as const

export const siteHost = (site: number): string => `site-${site}`
/** Networks that a site may be moved to; 0 is where it begins. */
export const networkCount = 4
export const networkOf = (site: number, network: number) => {
  const base = `10.${20 + network}.${site}`
  return { subnet: `${base}.0/28`, start: `${base}.2`, end: `${base}.10`, gateway: `${base}.1` }
}
export const oamOf = (site: number) => ({
  subnet: `10.40.${site}.0/28`,
  gateway: `10.40.${site}.1`,
  floating: `10.40.${site}.2`,
  bmc: `10.40.${site}.12`,
})
/** Of a management address; every site keeps its own third octet. */
export const siteAt = (address: string): number => Number(address.split('.')[2])

/** Times of the controller, as configured for simulations or as its code has them (milliseconds). */
export const times = {
  auditInterval: 25_000,
  auditDeadline: 10_000,
  /** Deadline and slack (services/dcmanager/src/work/audit-loop.ts). */
  auditLease: 30_000,
  jobLease: 15_000,
  repair: 30_000,
  reportWindow: 2_000,
} as const
export const failuresToOffline = 2
export const auditConcurrency = 6
