import { checkSiteConfig, siteOptions } from '@murmuration/site'
import type { World } from '@murmuration/world'
import { code, madeFrom, table } from './markdown.ts'

/** Options that have no default. */
const required: ReadonlySet<string> = new Set(['name', 'role', 'varFolder'])
const varFolder = '/var/lib/murmuration'

/** Every option with the default of the smallest site file of a system controller. */
export async function optionsTable(world: World, folder: string, repository: string): Promise<string> {
  const file = `${folder}/smallest-site.yaml`
  await world.files.write(file, `name: north\nrole: system-controller\nvarFolder: ${varFolder}\n`)
  const values = new Map((await checkSiteConfig(world, file, {})).map(({ path, value }) => [path, value]))
  await world.files.remove(file)
  const byDefault = (path: string): string => {
    const value = (values.get(path) ?? '').replace(repository.replace(/\/$/, ''), '<program>').replace(varFolder, '<varFolder>')
    return required.has(path) ? '**required**' : code(value)
  }
  return table(
    ['option', 'default', 'what', 'environment'],
    siteOptions().map(({ path, environment, description }) => [code(path), byDefault(path), description, code(environment)]),
  )
}

/** docs/reference/configuration.md */
export const configurationPage = (options: string): string =>
  [
    madeFrom('packages/site/src/config/options.ts'),
    '# Options of a site',
    'One YAML file, `site.yaml`; a dot in the name of an option is a section in the file. The environment wins over the file. Defaults are those of\na system controller; a subcloud must also say its `region`. `murmur config check --site FILE` shows the values in force and what is wrong.',
    options,
    '',
  ].join('\n\n')
