import { createPlatformClient, type PlatformClient } from '@murmuration/clients'
import type { Site, SiteConfig } from '@murmuration/site'
import type { World } from '@murmuration/world'
import type { ReferenceData } from '../rules/audit-plan.ts'

type SystemFacts = Awaited<ReturnType<PlatformClient['system']>>
type NetworkFacts = Awaited<ReturnType<PlatformClient['managementNetwork']>>
type ReleaseFacts = Awaited<ReturnType<PlatformClient['releases']>>[number]

/**
 * What the system controller says of itself, asked of its own platform service. Every fact is asked once for all who want it and
 * kept for a minute, so that no number of subclouds or requests reaches the platform service (reference dcmanager §13 row 6).
 * All of them reject while the platform service can't be asked: unknown is not the same as empty.
 */
export interface ControllerFacts {
  system(): Promise<SystemFacts>
  /**
   * Which system this is, for those to whom it says so. It never becomes another one, so what was read once is kept (in a file too)
   * and holds while the platform service is away.
   */
  ownSystem(): Promise<OwnSystem>
  managementNetwork(): Promise<NetworkFacts>
  oamFloatingIp(): Promise<string>
  releases(): Promise<readonly ReleaseFacts[]>
  kubernetesVersion(): Promise<string>
  deviceImages(): Promise<readonly unknown[]>
  /**
   * What the controller knows now for audits to compare with; members that can't be had are absent. Never rejects. `maxAgeMs`: what
   * was asked longer ago is asked anew.
   */
  reference(maxAgeMs?: number): Promise<ReferenceData>
  /** The next question is asked anew: the controller has changed. */
  invalidate(): void
}

export interface OwnSystem {
  readonly uuid: string
  readonly name: string
}

export interface ControllerFactsOptions {
  /** Default 60,000. */
  readonly lifetimeMs?: number
  readonly platform?: PlatformClient
}

/** A question that failed is not repeated for every subcloud. */
const failureLifetimeMs = 2_000

export function createControllerFacts(site: Site, options: ControllerFactsOptions = {}): ControllerFacts {
  const { world } = site
  const platform = options.platform ?? createPlatformClient(world, { baseUrl: platformUrlOf(site.config), session: site.session })
  const log = world.log.child({ part: 'controller-facts' })
  const kept = <T>(ask: () => Promise<T>) => keep(world, options.lifetimeMs ?? 60_000, ask)
  const facts = {
    system: kept(() => platform.system()),
    managementNetwork: kept(() => platform.managementNetwork()),
    oamFloatingIp: kept(() => platform.oamFloatingIp()),
    releases: kept<readonly ReleaseFacts[]>(() => platform.releases()),
    kubernetesVersion: kept(() => platform.kubernetesVersion()),
    deviceImages: kept<readonly unknown[]>(() => platform.appliedDeviceImages()),
  }
  let ownSystem: OwnSystem | undefined
  const orAbsent = async <T>(fact: string, value: Promise<T>): Promise<T | undefined> => {
    try {
      return await value
    } catch (error) {
      log.debug('a fact of the controller could not be had; audits leave it out', { fact, error })
      return undefined
    }
  }
  return {
    system: () => facts.system.read(),
    async ownSystem() {
      try {
        const { uuid, name } = await facts.system.read()
        const read = { uuid: uuid.toLowerCase(), name }
        if (ownSystem?.uuid !== read.uuid || ownSystem.name !== name) await writeOwnSystem(site, read)
        ownSystem = read
      } catch (error) {
        ownSystem ??= await readOwnSystem(site)
        if (ownSystem === undefined) throw error
      }
      return ownSystem
    },
    managementNetwork: () => facts.managementNetwork.read(),
    oamFloatingIp: () => facts.oamFloatingIp.read(),
    releases: () => facts.releases.read(),
    kubernetesVersion: () => facts.kubernetesVersion.read(),
    deviceImages: () => facts.deviceImages.read(),
    async reference(maxAgeMs) {
      const [deviceImages, kubernetesVersion, releases] = await Promise.all([
        orAbsent('device images', facts.deviceImages.read(maxAgeMs)),
        orAbsent('kubernetes version', facts.kubernetesVersion.read(maxAgeMs)),
        orAbsent('releases', facts.releases.read(maxAgeMs)),
      ])
      return {
        ...(deviceImages === undefined ? {} : { deviceImages }),
        ...(kubernetesVersion === undefined ? {} : { kubernetesVersion }),
        ...(releases === undefined
          ? {}
          : { deployedReleaseIds: releases.filter((release) => release.state === 'deployed').map((release) => release.releaseId) }),
      }
    },
    invalidate() {
      for (const fact of Object.values(facts)) fact.forget()
    },
  }
}

const ownSystemFile = ({ config }: Site): string => `${config.varFolder}/own-system.json`

async function readOwnSystem(site: Site): Promise<OwnSystem | undefined> {
  const data = await site.world.files.read(ownSystemFile(site))
  return data === undefined ? undefined : (JSON.parse(new TextDecoder().decode(data)) as OwnSystem)
}

/** Another process of the site may write it at the same moment, the same. */
const writeOwnSystem = async (site: Site, system: OwnSystem): Promise<void> => {
  const known = await readOwnSystem(site).catch(() => undefined)
  if (known?.uuid === system.uuid && known.name === system.name) return
  await site.world.files.write(ownSystemFile(site), `${JSON.stringify(system)}\n`)
}

/** One value, asked for by the first reader, shared by those who come meanwhile, kept for a while. */
function keep<T>(world: World, lifetimeMs: number, ask: () => Promise<T>): { read(maxAgeMs?: number): Promise<T>; forget(): void } {
  let current: { readonly value: Promise<T>; readonly askedAtMs: number; untilMs: number } | undefined
  return {
    read(maxAgeMs = Number.POSITIVE_INFINITY) {
      const nowMs = world.clock.monotonicMs()
      if (current !== undefined && nowMs < current.untilMs && nowMs - current.askedAtMs <= maxAgeMs) return current.value
      // While it is being asked everybody shares the question, however long it takes.
      const asking = { value: ask(), askedAtMs: nowMs, untilMs: Number.POSITIVE_INFINITY }
      current = asking
      asking.value.then(
        () => void (asking.untilMs = world.clock.monotonicMs() + lifetimeMs),
        () => void (asking.untilMs = world.clock.monotonicMs() + failureLifetimeMs),
      )
      return asking.value
    },
    forget: () => void (current = undefined),
  }
}

/** Origin of the site's own platform API. */
export function platformUrlOf(config: SiteConfig): string {
  const host = config.address.includes(':') ? `[${config.address}]` : config.address
  return `http://${host}:${config.ports.platform}`
}
