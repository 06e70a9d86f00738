import { createHash, timingSafeEqual } from 'node:crypto'
import type { Database } from '@murmuration/data'
import type { JobContext } from '@murmuration/jobs'
import type { Site } from '@murmuration/site'
import { Secret, type Sealed } from '@murmuration/trust'
import type { Listening, Timer } from '@murmuration/world'
import { installTokenContext, installTokenStep, readInstallGrant } from '../store/install-grants.ts'
import type { Schema } from '../store/schema.ts'
import { maxId } from '../store/subclouds.ts'
import { imageEndpoint, imagePath, type ServedImage, type WantedImage } from './image-endpoint.ts'
import { imageWithSeed, openSeed, seedImage } from './seed/restore-seed.ts'
import { installImage } from './vault.ts'

const tokenBytes = 32
/** An address or a port may become ours later: the floating address moves, another manager of this machine ends. */
const listenAgainMs = 10_000
const graceMs = 2_000

/** Makes the token of this installation, once: who goes on with it tells the BMC the same URL. */
export async function installToken(site: Site, context: JobContext<unknown>): Promise<Secret> {
  const seal = async (): Promise<Sealed> =>
    site.keyring.seal(new Secret(Buffer.from(site.world.random.bytes(tokenBytes)).toString('base64url')), installTokenContext(context.id))
  return site.keyring.open(await context.step(installTokenStep, seal), installTokenContext(context.id))
}

/** Where the BMC of a subcloud finds its image (reference dcmanager §4.4). */
export function imageUrl(config: Site['config'], wanted: Omit<WantedImage, 'token'> & { readonly token: Secret }): string {
  const { floating } = config.networks.oam
  const host = floating.includes(':') ? `[${floating}]` : floating
  return `http://${host}:${config.ports.iso}${imagePath({ ...wanted, token: wanted.token.reveal() })}`
}

/** The image that a URL names, while the installation runs that the URL was made for. */
export async function grantedImage(site: Site, database: Database<Schema>, wanted: WantedImage): Promise<ServedImage | undefined> {
  if (wanted.subcloudId > maxId) return undefined
  const grant = await readInstallGrant(database, wanted.subcloudId)
  if (grant === undefined || grant.release !== wanted.release) return undefined
  const token = site.keyring.open(grant.token, installTokenContext(grant.jobId))
  if (!same(token.reveal(), wanted.token)) return undefined
  const seed = grant.seed === undefined ? undefined : openSeed(site, grant.jobId, grant.seed)
  if (wanted.name === 'seed.iso') return seed === undefined ? undefined : seedImage(seed)
  const path = await installImage(site, grant.release)
  if (seed !== undefined) return imageWithSeed(site, path, seed)
  const sizeBytes = await site.world.files.size(path)
  if (sizeBytes === undefined) throw new Error(`${path} is not a plain file`)
  return [{ path, start: 0, sizeBytes }]
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
const same = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other))

export interface ImageServer {
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * Serves the installation images of this site's release vault to BMCs: at the OAM floating address, which they are told, where it is
 * this machine's, and where this process listens otherwise (a balancer stands before it then). Never fails a start: any manager of
 * the site may serve, one of each machine does, and what is taken is tried again.
 */
export function createImageServer(site: Site, database: Database<Schema>): ImageServer {
  const { world, config } = site
  const log = world.log.child({ part: 'installation images' })
  const endpoint = imageEndpoint(world, (wanted) => grantedImage(site, database, wanted))
  const hosts = [...new Set([config.networks.oam.floating, config.listenAddress])]
  const listening = new Map<string, Listening>()
  let stopped = false
  let told = false
  let timer: Timer | undefined
  let trying: Promise<void> = Promise.resolve()

  async function listen(): Promise<void> {
    const refusals: string[] = []
    for (const host of hosts) {
      if (stopped || listening.has(host)) continue
      try {
        listening.set(host, await world.net.serve({ host, port: config.ports.iso }, endpoint))
      } catch (error) {
        refusals.push(error instanceof Error ? error.message : String(error))
      }
    }
    if (listening.size === 0 && !told) {
      told = true
      // Normal beside another manager of this machine, so no more than a hint.
      log.info('this process serves no installation images; it tries again', { refusals, everyMs: listenAgainMs })
    }
    if (!stopped && listening.size < hosts.length)
      timer = world.timers.after(listenAgainMs, () => {
        trying = listen()
      })
  }

  return {
    async start() {
      await (trying = listen())
    },
    async stop() {
      stopped = true
      timer?.cancel()
      await trying
      await Promise.all([...listening.values()].map((each) => each.close(graceMs)))
    },
  }
}
