import type { Connection } from '../../api/connection.ts'
import type { ImageBody } from '../../api/image-types.ts'
import { CommandFailed, exitCodes } from '../../exit.ts'
import { confirm, tell } from '../../terminal.ts'
import { printShow, segmentOf, type CommonOptions, type Context } from '../context.ts'
import { attributesOf, propertiesOf, type AttributeOptions } from './attributes.ts'
import { findImage, imageApi, pathOf } from './find.ts'
import { fieldsOf } from './view.ts'

export interface SetOptions extends AttributeOptions, CommonOptions {
  readonly name?: string
}

interface Operation {
  readonly op: 'add' | 'replace' | 'remove'
  readonly path: string
  readonly value?: unknown
}

const patchType = 'application/openstack-images-v2.1-json-patch'
const pointerOf = (name: string): string => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`

/** All of it or nothing: one request. */
async function patch(api: Connection, image: ImageBody, operations: readonly Operation[], options: CommonOptions): Promise<void> {
  if (operations.length === 0) throw new CommandFailed(exitCodes.usage, 'Nothing to change was named.')
  const changed = await api.request<ImageBody>('PATCH', pathOf(image), { json: operations, headers: { 'content-type': patchType } })
  printShow(fieldsOf(changed), options)
}

export async function set(context: Context, ref: string, options: SetOptions): Promise<void> {
  const attributes = { ...(options.name === undefined ? {} : { name: options.name }), ...attributesOf(options) }
  const properties = propertiesOf(options.property)
  const api = await imageApi(context)
  const image = await findImage(api, ref)
  const tags = options.tag === undefined ? {} : { tags: [...new Set([...image.tags, ...options.tag])] }
  await patch(
    api,
    image,
    [
      ...Object.entries({ ...attributes, ...tags }).map(([name, value]) => ({ op: 'replace' as const, path: pointerOf(name), value })),
      ...Object.entries(properties).map(([name, value]) => ({ op: 'add' as const, path: pointerOf(name), value })),
    ],
    options,
  )
}

export async function unset(
  context: Context,
  ref: string,
  options: CommonOptions & Pick<AttributeOptions, 'property' | 'tag'>,
): Promise<void> {
  const api = await imageApi(context)
  const image = await findImage(api, ref)
  const missing = (options.tag ?? []).filter((tag) => !image.tags.includes(tag))
  if (missing.length > 0) throw new CommandFailed(exitCodes.notFound, `The image has no tag ${missing.join(', ')}.`)
  const tags = image.tags.filter((tag) => options.tag?.includes(tag) !== true)
  await patch(
    api,
    image,
    [
      ...(options.tag === undefined ? [] : [{ op: 'replace' as const, path: '/tags', value: tags }]),
      ...(options.property ?? []).map((name) => ({ op: 'remove' as const, path: pointerOf(name) })),
    ],
    options,
  )
}

export async function remove(
  context: Context,
  refs: readonly string[],
  options: CommonOptions & { readonly store?: string },
): Promise<void> {
  const { store } = options
  await confirm(`Delete ${refs.join(', ')}${store === undefined ? '' : ` from store ${store}`}?`, options.yes === true)
  const api = await imageApi(context)
  // All of them are there before the first one goes.
  const images: ImageBody[] = []
  for (const ref of refs) images.push(await findImage(api, ref))
  for (const [at, image] of images.entries()) {
    await api.request('DELETE', store === undefined ? pathOf(image) : `/v2/stores/${segmentOf(store)}/${segmentOf(image.id)}`)
    tell(`Image ${refs[at]} is deleted${store === undefined ? '' : ` from store ${store}`}.`)
  }
}

/** A deactivated image is downloaded by nobody but admins. */
export async function act(context: Context, action: 'deactivate' | 'reactivate', ref: string): Promise<void> {
  const api = await imageApi(context)
  await api.request('POST', pathOf(await findImage(api, ref), 'actions', action))
  tell(`Image ${ref} is ${action}d.`)
}
