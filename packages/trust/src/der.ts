import { createHash } from 'node:crypto'
import ipaddr from 'ipaddr.js'

/**
 * As much of DER as a certificate of ours needs. A library for all of X.509 takes ten times as long for each, and a migration of a
 * thousand subclouds makes a thousand.
 */
type Der = Buffer

function tlv(tag: number, ...contents: readonly Uint8Array[]): Der {
  const content = Buffer.concat(contents)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const bytes = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  if (length > 0xffff) throw new Error('too long for a certificate')
  return Buffer.concat([Buffer.from([tag, ...bytes]), content])
}

const sequence = (...members: readonly Uint8Array[]): Der => tlv(0x30, ...members)
const octets = (...contents: readonly Uint8Array[]): Der => tlv(0x04, ...contents)
/** Constructed and primitive members that are told by their number. */
const tagged = (n: number, ...contents: readonly Uint8Array[]): Der => tlv(0xa0 | n, ...contents)
const taggedPlain = (n: number, content: Uint8Array): Der => tlv(0x80 | n, content)

function oid(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const digits = (value: number): number[] => {
    const found = [value & 0x7f]
    for (let left = value >>> 7; left > 0; left >>>= 7) found.unshift((left & 0x7f) | 0x80)
    return found
  }
  return tlv(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(digits)]))
}

/** Until 2049 with two digits of the year, as RFC 5280 wants it. */
function time(ms: number): Der {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return digits < '2050' ? tlv(0x17, Buffer.from(digits.slice(2), 'latin1')) : tlv(0x18, Buffer.from(digits, 'latin1'))
}

const extension = (id: string, critical: boolean, value: Uint8Array): Der =>
  sequence(oid(id), ...(critical ? [Buffer.from([0x01, 0x01, 0xff])] : []), octets(value))

/** `commonName` is data: whatever it looks like, it is one name. */
const nameOf = (commonName: string): Der => sequence(tlv(0x31, sequence(oid('2.5.4.3'), tlv(0x0c, Buffer.from(commonName, 'utf8')))))

const alternative = (address: string): Der =>
  ipaddr.isValid(address)
    ? taggedPlain(7, Buffer.from(ipaddr.parse(address).toByteArray()))
    : taggedPlain(2, Buffer.from(address, 'latin1'))

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))
const usages = { server: oid('1.3.6.1.5.5.7.3.1'), client: oid('1.3.6.1.5.5.7.3.2') } as const
/** An uncompressed point of P-256, with which its SubjectPublicKeyInfo ends. */
const pointBytes = 65
const publicKeyInfoBytes = 91

export interface Leaf {
  /** Positive, 16 bytes. */
  readonly serialNumber: Uint8Array
  readonly commonName: string
  readonly addresses: readonly string[]
  readonly usages: readonly ('server' | 'client')[]
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** SubjectPublicKeyInfo of a P-256 key. */
  readonly publicKey: Uint8Array
  /** The issuer's own name, as it stands in its certificate, and its key identifier. */
  readonly issuer: Uint8Array
  readonly issuerKeyId: Uint8Array
}

/** What is signed. */
export function leafToSign(leaf: Leaf): Der {
  if (leaf.publicKey.length !== publicKeyInfoBytes) throw new Error('the key of a certificate is one of P-256')
  const keyId = createHash('sha1').update(leaf.publicKey.subarray(-pointBytes)).digest()
  return sequence(
    tagged(0, Buffer.from([0x02, 0x01, 0x02])),
    tlv(0x02, leaf.serialNumber),
    ecdsaWithSha256,
    leaf.issuer,
    sequence(time(leaf.notBeforeMs), time(leaf.notAfterMs)),
    nameOf(leaf.commonName),
    leaf.publicKey,
    tagged(
      3,
      sequence(
        extension('2.5.29.19', true, sequence()),
        // digitalSignature
        extension('2.5.29.15', true, Buffer.from([0x03, 0x02, 0x07, 0x80])),
        extension('2.5.29.37', false, sequence(...leaf.usages.map((usage) => usages[usage]))),
        ...(leaf.addresses.length === 0 ? [] : [extension('2.5.29.17', false, sequence(...leaf.addresses.map(alternative)))]),
        extension('2.5.29.14', false, octets(keyId)),
        extension('2.5.29.35', false, sequence(taggedPlain(0, leaf.issuerKeyId))),
      ),
    ),
  )
}

export const signedLeaf = (toSign: Uint8Array, signature: Uint8Array): Der =>
  sequence(toSign, ecdsaWithSha256, tlv(0x03, Buffer.from([0]), signature))

export const pemOf = (label: 'CERTIFICATE' | 'PRIVATE KEY', der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der)
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd()}\n-----END ${label}-----\n`
