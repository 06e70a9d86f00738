import ipaddr from 'ipaddr.js'

/** One address in the one spelling that every tool reads the same way. */
export interface Address {
  readonly version: 4 | 6
  readonly number: bigint
}

/** `first` … `last` of a block, with its prefix length. */
export interface Subnet {
  readonly version: 4 | 6
  readonly prefix: number
  readonly first: bigint
  readonly last: bigint
}

export interface SubcloudNetwork {
  readonly subnet: string
  readonly start: string
  readonly end: string
  readonly gateway: string
}

/** Sorts as addresses do, in any engine's text order: version, then the number in 32 hex digits. */
export interface NetworkKeys {
  readonly first: string
  readonly last: string
  readonly subnetFirst: string
  readonly subnetLast: string
}

/** Four decimal numbers without leading zeros: `010.1.1.1`, `0x7f.1`, `127.1` and `2130706433` mean different hosts to different tools. */
const ipv4 = /^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$/

/**
 * Reads an address strictly (attacks 11). Throws a sentence for the operator. Zone ids and IPv4 inside IPv6 are refused: they name
 * another host on every machine, or a host of the other family.
 */
export function readAddress(text: string): Address {
  const parts = ipv4.exec(text)
  if (parts !== null) {
    const bytes = parts.slice(1).map(Number)
    if (bytes.some((byte) => byte > 255)) throw new AddressRefused(`"${shown(text)}" is not an IP address`)
    return { version: 4, number: bytes.reduce((number, byte) => number * 256n + BigInt(byte), 0n) }
  }
  if (text.includes('%')) throw new AddressRefused(`"${shown(text)}" has a zone id; give the plain address`)
  if (text.includes(':') && text.includes('.'))
    throw new AddressRefused(`"${shown(text)}" has an IPv4 address inside an IPv6 address; give one or the other`)
  if (text.length > 45 || !text.includes(':') || !ipaddr.IPv6.isValid(text)) {
    throw new AddressRefused(
      /^[0-9xa-fA-F.]+$/.test(text) && /[0-9]/.test(text)
        ? `"${shown(text)}" is not an IP address in plain decimal notation (like 192.0.2.1)`
        : `"${shown(text)}" is not an IP address`,
    )
  }
  const address = ipaddr.IPv6.parse(text)
  if (address.isIPv4MappedAddress()) throw new AddressRefused(`"${shown(text)}" is an IPv4-mapped IPv6 address; give the IPv4 address`)
  return { version: 6, number: address.toByteArray().reduce((number, byte) => number * 256n + BigInt(byte), 0n) }
}

/** `192.0.2.0/24`: an address and a prefix length, with no bits set behind the prefix. */
export function readSubnet(text: string): Subnet {
  const [base, length, more] = text.split('/', 3)
  if (base === undefined || length === undefined || more !== undefined || !/^(0|[1-9][0-9]{0,2})$/.test(length))
    throw new AddressRefused(`"${shown(text)}" is not a subnet (like 192.0.2.0/24)`)
  const { version, number } = readAddress(base)
  const bits = version === 4 ? 32 : 128
  const prefix = Number(length)
  if (prefix > bits) throw new AddressRefused(`"${shown(text)}" has a prefix length above ${bits}`)
  const size = 1n << BigInt(bits - prefix)
  if (number % size !== 0n) throw new AddressRefused(`"${shown(text)}" has host bits set behind /${prefix}`)
  return { version, prefix, first: number, last: number + size - 1n }
}

/** The text is wrong; the message is for the operator and quotes at most 64 characters of it. */
export class AddressRefused extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'AddressRefused'
  }
}

export const sizeOf = (subnet: Subnet): bigint => subnet.last - subnet.first + 1n
export const contains = (subnet: Subnet, address: Address): boolean =>
  subnet.version === address.version && address.number >= subnet.first && address.number <= subnet.last
/** The first address, and for IPv4 also the last, belong to the subnet itself and to no host. */
export const isHostAddress = (subnet: Subnet, address: Address): boolean =>
  contains(subnet, address) && address.number !== subnet.first && (subnet.version === 6 || address.number !== subnet.last)

export const addressKey = (address: Address): string => `${address.version}${address.number.toString(16).padStart(32, '0')}`
const keyOf = (version: 4 | 6, number: bigint): string => addressKey({ version, number })
export const subnetKeys = (subnet: Subnet): { first: string; last: string } => ({
  first: keyOf(subnet.version, subnet.first),
  last: keyOf(subnet.version, subnet.last),
})

export function networkKeys(network: SubcloudNetwork): NetworkKeys {
  const subnet = subnetKeys(readSubnet(network.subnet))
  return {
    first: addressKey(readAddress(network.start)),
    last: addressKey(readAddress(network.end)),
    subnetFirst: subnet.first,
    subnetLast: subnet.last,
  }
}

/** What an operator typed, cut and without control characters. */
// oxlint-disable-next-line no-control-regex
export const shown = (text: string): string =>
  text.slice(0, 64).replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?')
