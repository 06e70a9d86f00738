import { createKeystoneSession, createKeystoneTokenValidator, createLocalTokenValidator, type KeystoneSession } from '@murmuration/clients'
import { openDatabase } from '@murmuration/data'
import type { TokenValidator } from '@murmuration/http'
import { openBus } from '@murmuration/rpc'
import { readPrivateFile, Secret, type Keyring } from '@murmuration/trust'
import type { Timer, World } from '@murmuration/world'
import { databaseUrlOf, type SiteConfig } from './config.ts'
import { openMaterial } from './material.ts'
import type { Site } from './site.ts'

/** How often a process looks for a key that `murmur secrets rotate` has added. */
export const keyringPollMs = 5_000

/**
 * Opens what every service of a site needs; makes keys, authority and the site's own certificate at the first start of a
 * system controller (a subcloud gets its certificate from the bootstrap). Nothing is asked of other processes yet: the
 * session authenticates and revocations are polled when the first token has to be judged. Call `close()` at the end.
 */
export async function openSite(world: World, config: SiteConfig): Promise<Site> {
  // From the world alone, so that a simulated run repeats; log lines carry the pid beside it.
  const processId = `${config.name}-${Buffer.from(world.random.bytes(6)).toString('hex')}`
  world.log.info('site opened', { site: config.name, role: config.role, processId })
  const { keyring, authority } = await openMaterial(world, config)
  const bus = await openBus(config.busUrl, { world, name: processId })
  const session = serviceSession(world, config)
  const tokens = validatorOf(world, config, session)
  const stopWatching = watchKeyring(world, keyring)

  return {
    world,
    config,
    keyring,
    authority,
    bus,
    session,
    tokens,
    processId,
    openDatabase: (service) => openDatabase(databaseUrlOf(config, service), { world, name: service }),
    async close() {
      stopWatching()
      tokens.stop()
      await bus.close()
    },
  }
}

function watchKeyring(world: World, keyring: Keyring): () => void {
  let stopped = false
  let timer: Timer | undefined
  const watch = (): void => {
    if (stopped) return
    timer = world.timers.after(keyringPollMs, () => {
      keyring
        .reload()
        .catch((error: unknown) =>
          world.log.error('the key file can not be read; the keys in memory stay in use', { error: String(error) }),
        )
        .finally(watch)
    })
  }
  watch()
  return () => {
    stopped = true
    timer?.cancel()
  }
}

function serviceSession(world: World, config: SiteConfig): KeystoneSession {
  const { url, serviceUser, servicePasswordFile } = config.identity
  return createKeystoneSession(world, {
    authUrl: url,
    userName: serviceUser,
    userDomainName: 'Default',
    projectName: 'services',
    projectDomainName: 'Default',
    password: async () => {
      const password = (await readPrivateFile(world, servicePasswordFile))?.replace(/\r?\n$/, '')
      if (password === undefined || password === '') {
        throw new Error(
          `the password of ${serviceUser} was not found in ${servicePasswordFile}: write it there (mode 0600), or give identity.servicePasswordFile`,
        )
      }
      return new Secret(password)
    },
  })
}

/** Polling for revocations begins with the first token: a process that never sees one never asks. */
function validatorOf(world: World, config: SiteConfig, session: KeystoneSession): TokenValidator & { stop(): void } {
  const options = { identityUrl: config.identity.url, session }
  if (config.identity.mode === 'external') return { ...createKeystoneTokenValidator(world, options), stop: () => undefined }
  const local = createLocalTokenValidator(world, options)
  let stopped = false
  return {
    validate(token) {
      if (!stopped) local.start()
      return local.validate(token)
    },
    known: (token) => (stopped ? undefined : local.known?.(token)),
    stop() {
      stopped = true
      local.stop()
    },
  }
}
