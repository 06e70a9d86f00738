import type { Connection } from '../../api/connection.ts'
import type { ImageBody } from '../../api/image-types.ts'
import { CommandFailed, exitCodes } from '../../exit.ts'
import { tell } from '../../terminal.ts'
import { printShow, timeoutMsOf, type CommonOptions, type Context } from '../context.ts'
import { send } from './data.ts'
import { findImage, imageApi, pathOf } from './find.ts'
import { tasksOf } from './read.ts'
import { openSource } from './source.ts'
import { fieldsOf } from './view.ts'

export interface ImportOptions extends CommonOptions {
  readonly file?: string
  readonly uri?: string
  readonly copy?: boolean
  readonly store?: readonly string[]
  readonly allStores?: boolean
  readonly allowFailure?: boolean
}

/** A large image over a slow line takes long. */
const waitSeconds = 3_600

/**
 * Bytes come by a job of the service: from a file that is staged first, from a URL that the service fetches, or from a store that has them
 * already. The command returns when the job is accepted; with `--wait`, when it is done.
 */
export async function importImage(context: Context, ref: string, options: ImportOptions): Promise<void> {
  const method = methodOf(options)
  const timeoutMs = timeoutMsOf(options, waitSeconds)
  const source = options.file === undefined ? undefined : await openSource(context, options.file)
  const api = await imageApi(context)
  const image = await findImage(api, ref)
  if (source !== undefined) await send(api, pathOf(image, 'stage'), source)
  await api.request('POST', pathOf(image, 'import'), {
    json: {
      method: { name: method, ...(options.uri === undefined ? {} : { uri: options.uri }) },
      ...(options.store === undefined ? {} : { stores: options.store }),
      ...(options.allStores === true ? { all_stores: true } : {}),
      ...(options.allowFailure === true ? { all_stores_must_succeed: false } : {}),
    },
  })
  if (options.wait === true) await untilDone(context, api, image, timeoutMs)
  printShow(fieldsOf(await findImage(api, image.id)), options)
}

function methodOf({ file, uri, copy }: ImportOptions): string {
  const ways = [file === undefined ? [] : ['glance-direct'], uri === undefined ? [] : ['web-download'], copy === true ? ['copy-image'] : []]
  const [method, ...others] = ways.flat()
  if (method === undefined || others.length > 0)
    throw new CommandFailed(exitCodes.usage, 'Where do the bytes come from?', 'Give one of --file, --uri and --copy.')
  return method
}

async function untilDone(context: Context, api: Connection, image: ImageBody, timeoutMs: number): Promise<void> {
  const { clock, timers } = context.world
  const deadlineMs = clock.monotonicMs() + timeoutMs
  let said = ''
  for (;;) {
    const [newest] = (await tasksOf(api, image)).toSorted((a, b) => b.created_at.localeCompare(a.created_at))
    if (newest?.status === 'success') return
    if (newest?.status === 'failure')
      throw new CommandFailed(exitCodes.refused, `The import failed: ${newest.message}`, `murmur image tasks ${image.id}`)
    const line = newest === undefined ? '' : `${newest.type}: ${newest.status}${newest.message === '' ? '' : ` — ${newest.message}`}`
    if (line !== said) tell(line)
    said = line
    if (clock.monotonicMs() > deadlineMs)
      throw new CommandFailed(exitCodes.waitTimeout, `The import has not ended after ${timeoutMs / 1_000} s; it goes on.`, `murmur image tasks ${image.id}`) // prettier-ignore
    await timers.sleep(500)
  }
}
