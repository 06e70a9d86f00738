import { readPrivateFile, Secret, type Sealed } from '@murmuration/trust'
import type { Site } from '@murmuration/site'
import type { SubcloudRow } from '../store/subclouds.ts'
import { floatingAddressOf, oamFloatingOf, type ManagementNetwork, type Values } from './overrides.ts'

/** As the reference's admin endpoint certificates: 8,760 h. */
const certificateLifetimeMs = 365 * 24 * 3_600_000
/** A certificate with less left is replaced when a playbook hands it out anyway. */
const renewBelow = 0.5

export const vaultFolderOf = (varFolder: string, subcloudId: number): string => `${varFolder}/vault/subclouds/${subcloudId}`

const keyContext = (id: number): string => `subcloud:${id}:private_key`
const adminContext = (id: number): string => `subcloud:${id}:admin_password`

export interface SubcloudCertificate {
  readonly certificate: string
  readonly privateKey: Secret
}

interface StoredCertificate {
  readonly addresses: readonly string[]
  readonly notAfterMs: number
  readonly certificate: string
  readonly sealedKey: Sealed
}

/**
 * The certificate under which the subcloud serves and speaks (mutual TLS with the controller). Made once; again when its
 * addresses change or half of its life is over. The key is sealed in the vault.
 */
export async function subcloudCertificate(
  site: Site,
  row: Pick<SubcloudRow, 'id' | 'name' | 'region_name'>,
  network: ManagementNetwork,
  values: Values,
): Promise<SubcloudCertificate> {
  const { authority, keyring, world } = site
  if (authority === undefined) throw new Error('this site has no certificate authority: only a system controller deploys subclouds')
  const path = `${vaultFolderOf(site.config.varFolder, row.id)}/certificate.json`
  const context = keyContext(row.id)
  const addresses = certificateAddresses(row, network, values)
  const stored = await readJson<StoredCertificate>(site, path)
  const goodUntilMs = world.clock.nowMs() + certificateLifetimeMs * renewBelow
  if (stored !== undefined && stored.notAfterMs > goodUntilMs && stored.addresses.join() === addresses.join())
    return { certificate: stored.certificate, privateKey: keyring.open(stored.sealedKey, context) }
  const issued = await authority.issue({
    commonName: row.region_name.slice(0, 64),
    addresses,
    usage: 'both',
    lifetimeMs: certificateLifetimeMs,
  })
  const privateKey = new Secret(issued.privateKey)
  const next: StoredCertificate = {
    addresses,
    notAfterMs: issued.notAfterMs,
    certificate: issued.certificate,
    sealedKey: keyring.seal(privateKey, context),
  }
  await world.files.write(path, `${JSON.stringify(next)}\n`)
  return { certificate: issued.certificate, privateKey }
}

function certificateAddresses(row: Pick<SubcloudRow, 'name'>, network: ManagementNetwork, values: Values): readonly string[] {
  const dnsName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(row.name) ? [row.name] : []
  const oam = oamFloatingOf(values)
  return [...new Set([...dnsName, network.management_start_ip, floatingAddressOf(network), ...(oam === undefined ? [] : [oam])])]
}

/** What the operator put into the bootstrap values, else made up once and sealed in the vault. */
export async function subcloudAdminPassword(site: Site, row: Pick<SubcloudRow, 'id'>, values: Values): Promise<Secret> {
  const given = values['admin_password']
  if (typeof given === 'string' && given !== '') return new Secret(given)
  const path = `${vaultFolderOf(site.config.varFolder, row.id)}/admin-password.json`
  const context = adminContext(row.id)
  const stored = await readJson<{ readonly sealed: Sealed }>(site, path)
  if (stored !== undefined) return site.keyring.open(stored.sealed, context)
  // The suffix satisfies password rules that ask for every class of characters.
  const made = new Secret(`${Buffer.from(site.world.random.bytes(18)).toString('base64url')}aA1*`)
  await site.world.files.write(path, `${JSON.stringify({ sealed: site.keyring.seal(made, context) })}\n`)
  return made
}

/**
 * The admin's password of a site that another controller has bootstrapped, as far as it is known here: the operator's. One that was made
 * up there never leaves the site; who needs it reads it there (playbooks/tasks/platform.yml).
 */
export const knownAdminPassword = (values: Values): Secret | undefined =>
  typeof values['admin_password'] === 'string' && values['admin_password'] !== '' ? new Secret(values['admin_password']) : undefined

/** The services' account works at every subcloud with the same password (reference dcmanager §12). */
export async function servicePassword(site: Site): Promise<Secret> {
  const { servicePasswordFile } = site.config.identity
  const text = await readPrivateFile(site.world, servicePasswordFile)
  if (text === undefined) throw new Error(`the password of the services' account is missing: ${servicePasswordFile} does not exist`)
  return new Secret(text.trim())
}

async function readJson<T>(site: Site, path: string): Promise<T | undefined> {
  const data = await site.world.files.read(path)
  return data === undefined ? undefined : (JSON.parse(new TextDecoder().decode(data)) as T)
}

/** Seals what the vault holds with the newest key, so that older ones can be retired. Returns the files that were written. */
export async function resealVault(site: Site): Promise<number> {
  const { files } = site.world
  const vault = `${site.config.varFolder}/vault/subclouds`
  let written = 0
  const reseal = async <T extends object>(path: string, member: keyof T & string, context: string): Promise<void> => {
    const stored = await readJson<T & Record<string, Sealed>>(site, path)
    const sealed: Sealed | undefined = stored?.[member]
    if (sealed === undefined || !site.keyring.isStale(sealed)) return
    await files.write(path, `${JSON.stringify({ ...stored, [member]: site.keyring.seal(site.keyring.open(sealed, context), context) })}\n`)
    written += 1
  }
  for (const name of await files.list(vault)) {
    if (!/^\d{1,10}$/.test(name)) continue
    await reseal<StoredCertificate>(`${vault}/${name}/certificate.json`, 'sealedKey', keyContext(Number(name)))
    await reseal<{ sealed: Sealed }>(`${vault}/${name}/admin-password.json`, 'sealed', adminContext(Number(name)))
    await reseal<{ sealed: Sealed }>(`${vault}/${name}/archive-key.json`, 'sealed', `subcloud:${name}:archive_key`)
  }
  return written
}
