import { createPolicy } from '@murmuration/http'
import type { Service } from '@murmuration/site'
import type { ListenAddress } from '@murmuration/world'
import { createIdentityApp } from './api/app.ts'
import { defaultLimits, type IdentityLimits } from './rules/limits.ts'
import { policies } from './policies.ts'
import type { Room } from './room.ts'
import type { IdentitySite } from './site.ts'
import { identityMigrations } from './store/migrations/index.ts'
import type { IdentityTables } from './store/schema.ts'
import { ensureBootstrap } from './work/bootstrap.ts'
import { createHousekeeping } from './work/housekeeping.ts'
import { createPasswords } from './work/passwords.ts'
import { createSigningKeys } from './work/signing-keys.ts'
import { createTokenDesk } from './work/token-desk.ts'

/** Keystone v3 of one site. Migrates and bootstraps before it answers: when it listens, sign-in works. */
export async function createIdentityService(site: IdentitySite, options: { limits?: Partial<IdentityLimits> } = {}): Promise<Service> {
  const { world, config, keyring } = site
  const limits = { ...defaultLimits, ...options.limits }
  const db = await site.openDatabase<IdentityTables>('identity')
  try {
    await db.migrate(identityMigrations)
    const file = config.policyFile?.replaceAll('{service}', 'identity')
    const policy = await createPolicy(world, policies, file === undefined ? {} : { file })
    const passwords = createPasswords(world, limits)
    const keys = createSigningKeys(world, keyring, db, limits)
    const { issuer } = await ensureBootstrap({ world, config, db, keyring, passwords, keys })
    await keys.reload()
    const tokens = createTokenDesk(world, db, keys, issuer)
    const room: Room = { world, config, db, keyring, policy, limits, passwords, keys, tokens, issuer }
    const app = await createIdentityApp(room)
    const housekeeping = createHousekeeping(room)
    return {
      name: 'identity',
      apps: [{ name: 'identity', endpoint: await app.endpoint(), listen: await listenAddresses(site) }],
      async start() {
        housekeeping.start()
      },
      async stop() {
        await housekeeping.stop()
        policy.close()
        await app.close()
        await db.close()
      },
    }
  } catch (error) {
    await db.close()
    throw error
  }
}

/** With TLS for other sites where the site has its certificate already: a subcloud gets it from its bootstrap. */
async function listenAddresses({ world, config }: IdentitySite): Promise<ListenAddress[]> {
  const { certFile, keyFile } = config.tls
  const plain = { host: config.listenAddress, port: config.ports.identity }
  if ((await world.files.size(certFile)) === undefined || (await world.files.size(keyFile)) === undefined) return [plain]
  return [plain, { host: config.listenAddress, port: config.ports.identityTls, tls: { certFile, keyFile } }]
}
