import { createPrivateKey, createPublicKey, generateKeyPair, KeyObject, sign, verify, webcrypto } from 'node:crypto'
import { promisify } from 'node:util'
import ipaddr from 'ipaddr.js'
import type * as X509 from '@peculiar/x509'
import type { World } from '@murmuration/world'
import { leafToSign, pemOf, signedLeaf } from './der.ts'
import { readPrivateFile } from './private-file.ts'
import { provideReflectMetadata } from './reflect-metadata.ts'

export interface IssuedCertificate {
  /** PEM: the certificate, then the chain up to but without the root. */
  readonly certificate: string
  readonly privateKey: string
  readonly notAfterMs: number
}

/** The controller's certificate authority; between sites TLS is mutual under it. */
export interface Authority {
  /** PEM of the root; the bootstrap playbook hands it out. */
  readonly certificate: string
  issue(subject: {
    commonName: string
    /** IP addresses and DNS names the holder may serve under. */
    addresses: readonly string[]
    usage: 'server' | 'client' | 'both'
    /** Counted from now; ends with the root at the latest. */
    lifetimeMs: number
  }): Promise<IssuedCertificate>
}

const generateKeys = promisify(generateKeyPair)
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const rootLifetimeMs = 10 * 365 * 24 * 3600 * 1000
/** A site whose clock is behind ours accepts a fresh certificate all the same. */
const backdateMs = 3600 * 1000

/** Makes a new root (ECDSA P-256, 10 years) and writes `ca.pem` and `ca.key` (0600) into `folder`; opens it when it is there. */
export async function createAuthority(world: World, folder: string, commonName: string): Promise<Authority> {
  const existing = await openAuthority(world, folder)
  if (existing !== undefined) return existing
  const x509 = await loadX509()
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const nowMs = world.clock.nowMs()
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(world).toString('hex'),
    name: [{ CN: [checkedName(commonName)] }],
    notBefore: wholeSeconds(nowMs - backdateMs),
    notAfter: wholeSeconds(nowMs + rootLifetimeMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  // The key first: a certificate without its key would pass for a finished authority.
  await world.files.write(`${folder}/ca.key`, await exportKey(keys.privateKey), { mode: 0o600 })
  await world.files.write(`${folder}/ca.pem`, `${root.toString('pem')}\n`, { mode: 0o644 })
  return authority(world, x509, root, KeyObject.from(keys.privateKey))
}

/** Undefined when there is none yet; throws when its key is readable by others or does not belong to its certificate. */
export async function openAuthority(world: World, folder: string): Promise<Authority | undefined> {
  const certificate = await world.files.read(`${folder}/ca.pem`)
  if (certificate === undefined) return undefined
  const keyText = await readPrivateFile(world, `${folder}/ca.key`)
  if (keyText === undefined) throw new Error(`the authority in ${folder} has lost its key ca.key; restore it from a backup`)
  const x509 = await loadX509()
  const root = new x509.X509Certificate(new TextDecoder().decode(certificate))
  const key = createPrivateKey(keyText)
  provePair(root, key, folder)
  return authority(world, x509, root, key)
}

function authority(world: World, x509: typeof X509, root: X509.X509Certificate, signingKey: KeyObject): Authority {
  const issuer = Buffer.from(root.subjectName.toArrayBuffer())
  const identified = root.getExtension(x509.SubjectKeyIdentifierExtension)
  if (identified === null) throw new Error('the certificate of the authority has no subject key identifier')
  const issuerKeyId = Buffer.from(identified.keyId, 'hex')
  return {
    certificate: `${root.toString('pem')}\n`,
    async issue(subject) {
      const nowMs = world.clock.nowMs()
      const notAfterMs = Math.min(nowMs + subject.lifetimeMs, root.notAfter.getTime())
      if (notAfterMs <= nowMs)
        throw new Error(`no certificate for ${subject.commonName}: it would have ended already; is the root still valid?`)
      const notAfter = wholeSeconds(notAfterMs)
      const { publicKey, privateKey } = await generateKeys('ec', {
        namedCurve: algorithm.namedCurve,
        publicKeyEncoding: { type: 'spki', format: 'der' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      })
      const toSign = leafToSign({
        serialNumber: serialNumber(world),
        commonName: checkedName(subject.commonName),
        addresses: subject.addresses.map(checkedAddress),
        usages: subject.usage === 'both' ? ['server', 'client'] : [subject.usage],
        notBeforeMs: wholeSeconds(Math.max(nowMs - backdateMs, root.notBefore.getTime())).getTime(),
        notAfterMs: notAfter.getTime(),
        publicKey,
        issuer,
        issuerKeyId,
      })
      return {
        certificate: pemOf('CERTIFICATE', signedLeaf(toSign, sign('sha256', toSign, signingKey))),
        privateKey,
        notAfterMs: notAfter.getTime(),
      }
    },
  }
}

/** Loaded when first needed: most processes never make a certificate, and it takes 100 ms. */
async function loadX509(): Promise<typeof X509> {
  provideReflectMetadata()
  const x509 = await import('@peculiar/x509')
  x509.cryptoProvider.set(webcrypto)
  return x509
}

/** 127 random bits with the top one clear, as RFC 5280 wants a positive number. */
function serialNumber(world: World): Buffer {
  const bytes = Buffer.from(world.random.bytes(16))
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes
}

function checkedName(commonName: string): string {
  if (commonName.length === 0 || commonName.length > 64) throw new Error('the common name of a certificate has 1 to 64 characters')
  return commonName
}

const dnsName = /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i

function checkedAddress(address: string): string {
  if (ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address)) return address
  if (address.length <= 253 && dnsName.test(address)) return address
  throw new Error(`a certificate can not name ${JSON.stringify(address)}: it is neither an IP address nor a DNS name`)
}

const exportKey = async (key: webcrypto.CryptoKey): Promise<string> =>
  pemOf('PRIVATE KEY', Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)))

/** Signs a word and checks it: two files that were mixed up are found now, not at the first handshake. */
function provePair(root: X509.X509Certificate, key: KeyObject, folder: string): void {
  const word = Buffer.from('proof')
  const publicKey = createPublicKey({ key: Buffer.from(root.publicKey.rawData), format: 'der', type: 'spki' })
  if (!verify('sha256', word, publicKey, sign('sha256', word, key)))
    throw new Error(`ca.key and ca.pem in ${folder} do not belong together; restore both from one backup`)
}

/** Certificates count in seconds. */
const wholeSeconds = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000)
