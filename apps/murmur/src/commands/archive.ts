import { resolve } from 'node:path'
import type { ArchiveHead, ArchiveKind } from '@murmuration/archive'
import { withRefusals } from '../archive/failure.ts'
import { archiveKeyOf, type KeyOptions } from '../archive/key.ts'
import { describeArchive, verifySiteArchive } from '../archive/read.ts'
import { restoreSite } from '../archive/restore.ts'
import { refuseInterruptedRestore } from '../archive/exchange.ts'
import { subcloudBackups } from '../archive/scope.ts'
import { seconds, writeSiteArchive } from '../archive/write.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { loadConfig } from '../serve/command.ts'
import { print, tell } from '../terminal.ts'
import type { Context } from './context.ts'

export interface ArchiveOptions extends KeyOptions {
  readonly site: string
  readonly output: string
  readonly exclude?: readonly string[]
  readonly force?: boolean
  readonly withSubcloudBackups?: boolean
}

export interface UnarchiveOptions extends KeyOptions {
  readonly siteFolder: string
  readonly input: string
  readonly varFolder?: string
  readonly dataUrl?: string
  readonly expectRegion?: string
}

/** `murmur site archive`, `murmur controller backup`: one line of JSON about the archive on stdout, what is going on on stderr. */
export async function archive(context: Context, kind: ArchiveKind, options: ArchiveOptions): Promise<void> {
  const { world, environment } = context
  const startedMs = world.clock.monotonicMs()
  const output = resolve(options.output)
  if (options.force !== true && (await world.files.size(output)) !== undefined)
    throw new CommandFailed(exitCodes.conflict, `${output} exists already.`, 'Give another name, or --force.')
  await refuseInterruptedRestore(world, resolve(options.site, '..'))
  const config = await loadConfig(world, options.site, environment)
  if (kind === 'controller' && config.role !== 'system-controller') {
    throw new CommandFailed(
      exitCodes.usage,
      `${config.name} is a subcloud.`,
      `murmur site archive --site ${options.site} --output ${options.output}`,
    )
  }
  const exclude = [...(options.exclude ?? []), ...(kind === 'controller' && options.withSubcloudBackups !== true ? [subcloudBackups] : [])]
  const manifest = await withRefusals(async () => {
    const key = await archiveKeyOf(context, options)
    return await writeSiteArchive(world, config, key, { siteFile: options.site, kind, output, exclude, progress: tell })
  })
  tell(`${output}: ${manifest.archiveBytes} bytes, ${seconds(world.clock.monotonicMs() - startedMs)}`)
  print(JSON.stringify(describeArchive(output, manifest)))
}

/** `murmur site verify`, `murmur controller verify`. */
export async function verify(context: Context, kind: ArchiveKind, options: KeyOptions & { readonly input: string }): Promise<void> {
  const startedMs = context.world.clock.monotonicMs()
  const input = resolve(options.input)
  const { manifest } = await withRefusals(async () =>
    verifySiteArchive(context.world, input, await archiveKeyOf(context, options), (head) => refuseOther(head, kind, undefined)),
  )
  tell(`${input}: every byte is proven, ${seconds(context.world.clock.monotonicMs() - startedMs)}`)
  print(JSON.stringify(describeArchive(input, manifest)))
}

/** `murmur site unarchive`, `murmur controller restore`. */
export async function unarchive(context: Context, kind: ArchiveKind, options: UnarchiveOptions): Promise<void> {
  const { world, environment } = context
  const startedMs = world.clock.monotonicMs()
  const siteFolder = resolve(options.siteFolder)
  if (options.dataUrl !== undefined) refusePassword(options.dataUrl)
  const { manifest, plan, notes } = await withRefusals(async () =>
    restoreSite(world, environment, await archiveKeyOf(context, options), {
      siteFolder,
      input: resolve(options.input),
      ...(options.varFolder === undefined ? {} : { varFolder: resolve(options.varFolder) }),
      ...(options.dataUrl === undefined ? {} : { dataUrl: options.dataUrl }),
      accept: (head) => refuseOther(head, kind, options.expectRegion),
      progress: tell,
    }),
  )
  for (const note of notes) tell(`note: ${note}`)
  tell(
    `${siteFolder}: restored, ${seconds(world.clock.monotonicMs() - startedMs)}. Start it: murmur serve --site ${plan.scope.siteFile} --detach`,
  )
  print(
    JSON.stringify({
      ...describeArchive(resolve(options.input), manifest),
      siteFile: plan.scope.siteFile,
      varFolder: plan.scope.varFolder,
    }),
  )
}

function refuseOther(head: ArchiveHead, kind: ArchiveKind, region: string | undefined): void {
  if (kind === 'controller' && head.site.role !== 'system-controller')
    throw new CommandFailed(
      exitCodes.conflict,
      `The archive is of the subcloud ${head.site.name}.`,
      'Use murmur site unarchive or murmur site verify.',
    )
  if (region !== undefined && head.site.region !== region)
    throw new CommandFailed(
      exitCodes.conflict,
      `The archive is of region ${head.site.region} (site ${head.site.name}), not of ${region}. Nothing was changed.`,
    )
}

/** Every user of the machine reads the command line. */
function refusePassword(url: string): void {
  if (!URL.canParse(url) || new URL(url).password === '') return
  throw new CommandFailed(
    exitCodes.usage,
    '--data-url must not hold a password.',
    'Set MURMUR_DATA_URL, for this command and for murmur serve.',
  )
}
