import type { Connection } from '../../api/connection.ts'
import type { ImageBody, ImagePage, ImageTaskBody, StoreBody } from '../../api/image-types.ts'
import { countOf, printList, printShow, watching, type CommonOptions, type Context } from '../context.ts'
import { propertiesOf } from './attributes.ts'
import { exactly, findImage, imageApi, pathOf } from './find.ts'
import { detailColumns, fieldsOf, listColumns, listRow } from './view.ts'

export interface ListOptions extends CommonOptions {
  readonly name?: string
  readonly status?: string
  readonly visibility?: string
  readonly project?: string
  readonly diskFormat?: string
  readonly containerFormat?: string
  readonly memberStatus?: string
  readonly hidden?: boolean
  readonly tag?: readonly string[]
  readonly property?: readonly string[]
  readonly sort?: string
  readonly limit?: string
  readonly detail?: boolean
}

/** The most that the API gives at once. */
const pageMost = 1_000

/** Filtered and sorted by the service: what comes is what was asked for, page by page. */
export async function list(context: Context, options: ListOptions): Promise<void> {
  const most = options.limit === undefined ? Number.POSITIVE_INFINITY : countOf('--limit', options.limit)
  const query = queryOf(options)
  query.set('limit', String(Math.min(most, pageMost)))
  const api = await imageApi(context)
  await watching(context, options, async () => {
    const images: ImageBody[] = []
    for (let next: string | undefined = `/v2/images?${query.toString()}`; next !== undefined && images.length < most;) {
      const page: ImagePage = await api.request<ImagePage>('GET', next)
      images.push(...page.images)
      next = page.next
    }
    printList(options.detail === true ? detailColumns : listColumns, images.slice(0, most).map(listRow), options)
  })
}

function queryOf(options: ListOptions): URLSearchParams {
  const named = {
    name: options.name === undefined ? undefined : exactly(options.name),
    status: options.status,
    visibility: options.visibility,
    owner: options.project,
    disk_format: options.diskFormat,
    container_format: options.containerFormat,
    member_status: options.memberStatus,
    os_hidden: options.hidden === true ? 'true' : undefined,
    sort: options.sort,
    ...propertiesOf(options.property),
  }
  const query = new URLSearchParams(Object.entries(named).filter((entry): entry is [string, string] => entry[1] !== undefined))
  for (const tag of options.tag ?? []) query.append('tag', tag)
  return query
}

export async function show(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await imageApi(context)
  await watching(context, options, async () => printShow(fieldsOf(await findImage(api, ref)), options))
}

/** What was done to its bytes: imports and copies, newest first. */
export async function tasks(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await imageApi(context)
  const image = await findImage(api, ref)
  await watching(context, options, async () => {
    const rows = await tasksOf(api, image)
    const columns = ['id', 'type', 'status', 'message', 'created at', 'updated at']
    printList(columns, rows.map((task) => ({ ...task, 'created at': task.created_at, 'updated at': task.updated_at })), options) // prettier-ignore
  })
}

export const tasksOf = async (api: Connection, image: Pick<ImageBody, 'id'>): Promise<readonly ImageTaskBody[]> =>
  (await api.request<{ tasks: ImageTaskBody[] }>('GET', pathOf(image, 'tasks'))).tasks

export async function stores(context: Context, options: CommonOptions): Promise<void> {
  const api = await imageApi(context)
  const { stores: found } = await api.request<{ stores: StoreBody[] }>('GET', '/v2/info/stores')
  const rows = found.map((store) => ({ id: store.id, description: store.description ?? null, default: store.default === 'true', 'read only': store['read-only'] === 'true' })) // prettier-ignore
  printList(['id', 'description', 'default', 'read only'], rows, options)
}

/** -1 means: no limit. */
export async function usage(context: Context, options: CommonOptions): Promise<void> {
  const api = await imageApi(context)
  const answer = await api.request<{ usage: Record<string, { limit: number; usage: number }> }>('GET', '/v2/info/usage')
  const rows = Object.entries(answer.usage).map(([quota, { limit, usage: used }]) => ({ quota, limit, usage: used }))
  printList(['quota', 'limit', 'usage'], rows, options)
}
