import type { World } from '@murmuration/world'

/**
 * Deployment files of a release (reference dcmanager §1.9): what an operator uploads for the configure phase. Their paths are made
 * of the release and the option, never of the name that the client sent; that one is kept beside them, for display.
 */
export const deployOptions = ['deploy_playbook', 'deploy_overrides', 'deploy_chart', 'prestage_images'] as const
export type DeployOption = (typeof deployOptions)[number]

const fileNames = {
  deploy_playbook: 'deploy_playbook_file.yml',
  deploy_overrides: 'deploy_overrides_file.yml',
  deploy_chart: 'deploy_chart_file.tgz',
  prestage_images: 'prestage_images_file.txt',
} as const satisfies Record<DeployOption, string>

export interface DeployFiles {
  /** Names as the client sent them, null where there is none; undefined when there is no folder for the release. */
  names(release: string): Promise<Readonly<Record<DeployOption, string | null>> | undefined>
  /** Replaces the file of each option given. */
  write(
    release: string,
    files: Readonly<Partial<Record<DeployOption, { readonly name: string; readonly data: Uint8Array }>>>,
  ): Promise<void>
  remove(release: string, options: readonly DeployOption[]): Promise<void>
  /** Where the file of an option stands, if it does. */
  path(release: string, option: DeployOption): Promise<string | undefined>
}

export function createDeployFiles(world: World, varFolder: string): DeployFiles {
  // The release has the form MM.mm by the time it gets here; anything else is refused before.
  const folderOf = (release: string): string => {
    if (!/^[0-9]{2}\.[0-9]{2}$/.test(release)) throw new Error('a release is MM.mm')
    return `${varFolder}/deploy/${release}`
  }
  const fileOf = (release: string, option: DeployOption): string => `${folderOf(release)}/${fileNames[option]}`
  const nameFileOf = (release: string, option: DeployOption): string => `${folderOf(release)}/${option}.name`

  return {
    async names(release) {
      const present = new Set(await world.files.list(folderOf(release)))
      if (present.size === 0) return undefined
      const entries = await Promise.all(
        deployOptions.map(async (option) => {
          if (!present.has(fileNames[option])) return [option, null] as const
          const name = await world.files.read(nameFileOf(release, option))
          return [option, name === undefined ? fileNames[option] : new TextDecoder().decode(name)] as const
        }),
      )
      return Object.fromEntries(entries) as Record<DeployOption, string | null>
    },
    async write(release, files) {
      for (const [option, file] of Object.entries(files) as [DeployOption, { name: string; data: Uint8Array }][]) {
        await world.files.write(nameFileOf(release, option), file.name)
        await world.files.write(fileOf(release, option), file.data)
      }
    },
    async remove(release, options) {
      for (const option of options) {
        await world.files.remove(fileOf(release, option))
        await world.files.remove(nameFileOf(release, option))
      }
      if ((await world.files.list(folderOf(release))).length === 0) await world.files.remove(folderOf(release))
    },
    async path(release, option) {
      const path = fileOf(release, option)
      return (await world.files.size(path)) === undefined ? undefined : path
    },
  }
}

/** A client's file name for display: its last part, without control characters, short. Never a path. */
export function displayName(fileName: string): string {
  const last = fileName.split(/[/\\]/).at(-1) ?? ''
  const clean = last
    .replaceAll(/[^\p{L}\p{N} ._+()@=,-]/gu, '')
    .slice(0, 128)
    .trim()
  return clean === '' || clean === '.' || clean === '..' ? 'unnamed' : clean
}
