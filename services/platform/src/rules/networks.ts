import ipaddr from 'ipaddr.js'
import type { SiteConfig } from '@murmuration/site'
import { derivedUuid } from './identifiers.ts'

export interface Pool {
  readonly uuid: string
  readonly name: 'management' | 'oam'
  readonly network: string
  readonly prefix: number
  readonly family: 4 | 6
  readonly start: string
  readonly end: string
  readonly floating: string
  readonly gateway: string
  /** Only where there are two controllers, each with an address of its own. */
  readonly controllers: readonly string[]
}

/** The pools of a site follow from its configuration: nothing is kept that could differ from it. */
export function poolsOf(systemUuid: string, config: Pick<SiteConfig, 'networks' | 'systemMode'>): Pool[] {
  const { management, oam } = config.networks
  const pool = (name: Pool['name'], subnet: string, floating: string, rest: Pick<Pool, 'start' | 'end' | 'gateway'>): Pool => {
    const [network = '', prefix = ''] = subnet.split('/')
    return {
      uuid: derivedUuid(systemUuid, 'pool', name),
      name,
      network,
      prefix: Number(prefix),
      family: network.includes(':') ? 6 : 4,
      floating,
      controllers: config.systemMode === 'simplex' ? [] : [after(floating, 1), after(floating, 2)],
      ...rest,
    }
  }
  return [
    pool('management', management.subnet, management.floating, {
      start: management.start,
      end: management.end,
      gateway: management.gateway,
    }),
    pool('oam', oam.subnet, oam.floating, { ...rangeOf(oam.subnet), gateway: oam.gateway }),
  ]
}

/** First and last address that hosts may have. */
function rangeOf(subnet: string): { start: string; end: string } {
  const [address, bits] = ipaddr.parseCIDR(subnet)
  const bytes = address.toByteArray()
  const end = bytes.map((byte, index) => byte | (0xff >> Math.min(8, Math.max(0, bits - index * 8))))
  if (bytes.length === 4) end[3] = (end[3] ?? 0) - 1
  return { start: after(address.toString(), 1), end: ipaddr.fromByteArray(end).toString() }
}

/** The address `count` places further on. */
export function after(address: string, count: number): string {
  const bytes = ipaddr.parse(address).toByteArray()
  let carry = count
  for (let index = bytes.length - 1; index >= 0 && carry > 0; index--) {
    const sum = (bytes[index] ?? 0) + carry
    bytes[index] = sum & 0xff
    carry = sum >> 8
  }
  return ipaddr.fromByteArray(bytes).toString()
}
