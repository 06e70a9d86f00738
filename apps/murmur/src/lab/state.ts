import type { World } from '@murmuration/world'
import type { LabPaths } from './layout.ts'

/** One line of `lab.json`: what a drill or a script needs to find a site. */
export interface LabSite {
  readonly name: string
  readonly role: 'system-controller' | 'subcloud'
  readonly address: string
  /** Null while it does not run. */
  readonly pid: number | null
  readonly openrc: string
  /** Its site file. */
  readonly site: string
  /** Its state: databases, log, pid file. */
  readonly varFolder: string
  /** What the controller knows it by: a re-added subcloud of the same name has another one. */
  readonly region: string
}

export interface LabState {
  /** The process of `npm start`; a newer one takes the lab over. */
  readonly labPid: number | null
  readonly sites: readonly LabSite[]
}

export async function readLab(world: World, paths: LabPaths): Promise<LabState> {
  const text = await world.files.read(paths.state)
  return text === undefined ? { labPid: null, sites: [] } : (JSON.parse(Buffer.from(text).toString('utf8')) as LabState)
}

export const writeLab = (world: World, paths: LabPaths, state: LabState): Promise<void> =>
  world.files.write(paths.state, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o644 })
