import { checkSiteConfig, SiteConfigInvalid } from '@murmuration/site/config'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { printList, type CommonOptions } from './context.ts'

export async function check(
  world: World,
  environment: Readonly<Record<string, string | undefined>>,
  options: CommonOptions & { readonly site: string },
): Promise<void> {
  try {
    printList(
      ['path', 'value', 'source'],
      (await checkSiteConfig(world, options.site, environment)).map((entry) => ({ ...entry })),
      options,
    )
  } catch (error) {
    if (!(error instanceof SiteConfigInvalid)) throw error
    const lines = error.problems.map(
      (problem) => `${options.site}${problem.line === undefined ? '' : `:${problem.line}`}: ${problem.path}: ${problem.message}`,
    )
    throw new CommandFailed(exitCodes.usage, lines.join('\n'))
  }
}
