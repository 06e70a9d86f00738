import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Authority } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import type { SiteConfig } from './config.ts'

const dayMs = 24 * 3600 * 1000
/** As the reference's intermediate certificates: 8760 h, renewed 720 h before their end. */
const lifetimeMs = 365 * dayMs
const renewBeforeMs = 30 * dayMs

/** Makes the site's certificate when it is missing, or one of the reasons of `whyRenew` holds. */
export async function ensureSiteCertificate(
  world: World,
  authority: Authority,
  files: SiteConfig['tls'],
  commonName: string,
  addresses: readonly string[],
): Promise<void> {
  const [certificate, key] = await Promise.all([world.files.read(files.certFile), world.files.read(files.keyFile)])
  const reason =
    certificate === undefined || key === undefined
      ? 'there is none'
      : whyRenew({ certificate, key, root: authority.certificate }, addresses, world.clock.nowMs())
  if (reason === undefined) return
  const issued = await authority.issue({ commonName: commonName.slice(0, 64), addresses, usage: 'both', lifetimeMs })
  await world.files.write(files.keyFile, issued.privateKey, { mode: 0o600 })
  await world.files.write(files.certFile, issued.certificate, { mode: 0o644 })
  world.log.info('made the certificate of the site', {
    reason,
    file: files.certFile,
    notAfter: new Date(issued.notAfterMs).toISOString(),
  })
}

/** Undefined when the certificate can stay: it lives for 30 more days, is under the root, fits its key and names every address. */
export function whyRenew(
  current: { readonly certificate: Uint8Array; readonly key: Uint8Array; readonly root: string },
  addresses: readonly string[],
  nowMs: number,
): string | undefined {
  try {
    const certificate = new X509Certificate(current.certificate)
    if (certificate.validToDate.getTime() - nowMs < renewBeforeMs) return 'it ends soon'
    if (!certificate.verify(new X509Certificate(current.root).publicKey)) return 'it is under another authority'
    if (!certificate.checkPrivateKey(createPrivateKey(Buffer.from(current.key)))) return 'its key is another one'
    const missing = addresses.find((address) => certificate.checkIP(address) === undefined)
    return missing === undefined ? undefined : `it does not name ${missing}`
  } catch {
    return 'it can not be read'
  }
}
