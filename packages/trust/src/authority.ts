import { webcrypto } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import type * as X509 from '@peculiar/x509'
import type { World } from '@murmuration/world'
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
    serialNumber: serialNumber(world),
    name: distinguishedName(commonName),
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
  return authority(world, x509, root, keys.privateKey)
}

/** Undefined when there is none yet; throws when its key is readable by others or does not belong to its certificate. */
export async function openAuthority(world: World, folder: string): Promise<Authority | undefined> {
  const certificate = await world.files.read(`${folder}/ca.pem`)
  if (certificate === undefined) return undefined
  const keyText = await readPrivateFile(world, `${folder}/ca.key`)
  if (keyText === undefined) throw new Error(`the authority in ${folder} has lost its key ca.key; restore it from a backup`)
  const x509 = await loadX509()
  const root = new x509.X509Certificate(new TextDecoder().decode(certificate))
  const key = await webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(keyText), algorithm, false, ['sign'])
  await provePair(root, key, folder)
  return authority(world, x509, root, key)
}

function authority(world: World, x509: typeof X509, root: X509.X509Certificate, rootKey: webcrypto.CryptoKey): Authority {
  return {
    certificate: `${root.toString('pem')}\n`,
    async issue(subject) {
      const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
      const nowMs = world.clock.nowMs()
      const notAfterMs = Math.min(nowMs + subject.lifetimeMs, root.notAfter.getTime())
      if (notAfterMs <= nowMs)
        throw new Error(`no certificate for ${subject.commonName}: it would have ended already; is the root still valid?`)
      const notAfter = wholeSeconds(notAfterMs)
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: serialNumber(world),
        subject: distinguishedName(subject.commonName),
        issuer: root.subjectName,
        notBefore: wholeSeconds(Math.max(nowMs - backdateMs, root.notBefore.getTime())),
        notAfter,
        signingAlgorithm: algorithm,
        publicKey: keys.publicKey,
        signingKey: rootKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(extendedUsages(x509, subject.usage)),
          ...(subject.addresses.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(subject.addresses.map(alternativeName))]),
          await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
          await x509.AuthorityKeyIdentifierExtension.create(root),
        ],
      })
      return {
        certificate: `${certificate.toString('pem')}\n`,
        privateKey: await exportKey(keys.privateKey),
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
function serialNumber(world: World): string {
  const bytes = Buffer.from(world.random.bytes(16))
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}

/** As data, never as text: a comma or an equals sign in a name stays a part of the name. */
function distinguishedName(commonName: string): X509.JsonName {
  if (commonName.length === 0 || commonName.length > 64) throw new Error('the common name of a certificate has 1 to 64 characters')
  return [{ CN: [commonName] }]
}

const dnsName = /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i

function alternativeName(address: string): X509.JsonGeneralName {
  if (ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address)) return { type: 'ip', value: address }
  if (address.length <= 253 && dnsName.test(address)) return { type: 'dns', value: address }
  throw new Error(`a certificate can not name ${JSON.stringify(address)}: it is neither an IP address nor a DNS name`)
}

function extendedUsages(x509: typeof X509, usage: 'server' | 'client' | 'both'): string[] {
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage
  return { server: [serverAuth], client: [clientAuth], both: [serverAuth, clientAuth] }[usage]
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/(.{64})/g, '$1\n').trimEnd()}\n-----END PRIVATE KEY-----\n`
}

/** Signs a word and checks it: two files that were mixed up are found now, not at the first handshake. */
async function provePair(root: X509.X509Certificate, key: webcrypto.CryptoKey, folder: string): Promise<void> {
  const word = Buffer.from('proof')
  const signature = await webcrypto.subtle.sign(algorithm, key, word)
  const publicKey = await webcrypto.subtle.importKey('spki', root.publicKey.rawData, algorithm, false, ['verify'])
  if (!(await webcrypto.subtle.verify(algorithm, publicKey, signature, word)))
    throw new Error(`ca.key and ca.pem in ${folder} do not belong together; restore both from one backup`)
}

/** Certificates count in seconds. */
const wholeSeconds = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000)
