import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

const mostCached = 4_096
const parsed = new Map<string, readonly X509Certificate[]>()
const verified = new Map<string, boolean>()

/** Why a certificate (PEM, with its chain) is not good, or nothing when it is: issued under `ca`, valid now, for this name. */
export function verify(pem: string | undefined, ca: string | undefined, nowMs: number, name?: string): string | undefined {
  if (pem === undefined) return 'none was shown'
  if (ca === undefined) return 'no authority is trusted'
  const [leaf, ...chain] = certificates(pem)
  if (leaf === undefined) return 'it cannot be read'
  if (leaf.validToDate.getTime() < nowMs) return 'it has expired'
  if (leaf.validFromDate.getTime() > nowMs) return 'it is not valid yet'
  if (name !== undefined && (isIP(name) === 0 ? leaf.checkHost(name) : leaf.checkIP(name)) === undefined) return `it is not for ${name}`
  return cached(verified, `${pem}\n${ca}`, () => isUnder(leaf, chain, certificates(ca))) ? undefined : 'its issuer is not trusted'
}

export function notAfterMs(pem: string | undefined): number {
  return certificates(pem ?? '')[0]?.validToDate.getTime() ?? 0
}

function isUnder(leaf: X509Certificate, chain: readonly X509Certificate[], roots: readonly X509Certificate[]): boolean {
  if (roots.some((root) => leaf.checkIssued(root) && leaf.verify(root.publicKey))) return true
  const [issuer, ...rest] = chain
  return issuer !== undefined && leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey) && isUnder(issuer, rest, roots)
}

function certificates(pem: string): readonly X509Certificate[] {
  return cached(parsed, pem, () => {
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
    return blocks.map((block) => new X509Certificate(block))
  })
}

function cached<T>(cache: Map<string, T>, key: string, make: () => T): T {
  let value = cache.get(key)
  if (value === undefined) {
    value = make()
    if (cache.size >= mostCached) cache.clear()
    cache.set(key, value)
  }
  return value
}
