import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import type { Connection } from '../../api/connection.ts'
import type { ImageBody } from '../../api/image-types.ts'
import { CommandFailed, exitCodes } from '../../exit.ts'
import { tell } from '../../terminal.ts'
import { printShow, type CommonOptions, type Context } from '../context.ts'
import { attributesOf, propertiesOf, type AttributeOptions } from './attributes.ts'
import { findImage, imageApi, pathOf } from './find.ts'
import { projectId } from './project.ts'
import { openSource, type Source } from './source.ts'
import { fieldsOf } from './view.ts'

export interface CreateOptions extends AttributeOptions, CommonOptions {
  readonly id?: string
  readonly file?: string
  readonly store?: string
}

/** A new image, with its bytes where a file is given. What could not be uploaded is not left behind as an empty image. */
export async function create(context: Context, name: string, options: CreateOptions): Promise<void> {
  const attributes = attributesOf(options)
  const properties = propertiesOf(options.property)
  const source = options.file === undefined ? undefined : await openSource(context, options.file)
  if (source !== undefined && options.diskFormat === undefined) tell(`disk_format: ${source.format}, from its first bytes`)
  const api = await imageApi(context)
  const made = await api.request<ImageBody>('POST', '/v2/images', {
    json: {
      ...properties,
      ...(options.id === undefined ? {} : { id: options.id }),
      name,
      container_format: 'bare',
      disk_format: source?.format ?? 'raw',
      tags: options.tag ?? [],
      ...attributes,
      ...(options.project === undefined ? {} : { owner: await projectId(context, options.project) }),
    },
  })
  if (source !== undefined) {
    try {
      await send(api, pathOf(made, 'file'), source, options.store)
    } catch (error) {
      await api.request('DELETE', pathOf(made)).catch(() => tell(`Image ${made.id} is left without data: delete it.`))
      throw error
    }
  }
  printShow(fieldsOf(await findImage(api, made.id)), options)
}

/** The bytes of an image that has none yet. */
export async function upload(
  context: Context,
  ref: string,
  options: CommonOptions & { readonly file: string; readonly store?: string },
): Promise<void> {
  const source = await openSource(context, options.file)
  const api = await imageApi(context)
  const image = await findImage(api, ref)
  await send(api, pathOf(image, 'file'), source, options.store)
  printShow(fieldsOf(await findImage(api, image.id)), options)
}

export async function send(api: Connection, path: string, source: Source, store?: string): Promise<void> {
  const headers = {
    'content-type': 'application/octet-stream',
    ...(source.size === undefined ? {} : { 'content-length': String(source.size) }),
    ...(store === undefined ? {} : { 'x-image-meta-store': store }),
  }
  ;(await api.stream('PUT', path, { headers, body: source.pieces })).discard()
}

/**
 * Downloads the bytes of an image into a file, which is there only when they are whole and have the digest that the service knows; or to the
 * standard output, where a wrong digest can only be told afterwards.
 */
export async function save(context: Context, ref: string, options: { readonly file: string }): Promise<void> {
  const folder = dirname(options.file)
  // Only a real disk tells modes, of folders too.
  const { files } = context.world
  if (options.file !== '-' && files.mode !== undefined && (await files.mode(folder)) === undefined)
    throw new CommandFailed(exitCodes.usage, `--file ${options.file}: there is no folder ${folder}.`, 'Make it, or give another path.')
  const api = await imageApi(context)
  const image = await findImage(api, ref)
  const expected = digestOf(image)
  const hash = expected === undefined ? undefined : createHash(expected.algorithm)
  const answer = await api.stream('GET', pathOf(image, 'file'))
  if (answer.status === 204) {
    answer.discard()
    throw new CommandFailed(exitCodes.notFound, `Image ${ref} has no data: it is ${image.status}.`)
  }
  const sink = options.file === '-' ? standardOutput : await context.world.files.create(options.file, { mode: 0o644 })
  try {
    let size = 0
    for await (const piece of answer.body) {
      hash?.update(piece)
      size += piece.length
      await sink.write(piece)
    }
    const wrong = size !== image.size ? `${size} bytes came of ${image.size}` : hash?.digest('hex') === expected?.value ? undefined : 'they do not have the digest of the image' // prettier-ignore
    if (wrong !== undefined)
      throw new CommandFailed(exitCodes.refused, `The bytes are not those of the image: ${wrong}.`, 'Repeat the command.')
    await sink.commit()
  } catch (error) {
    await sink.discard()
    throw error
  }
  if (options.file !== '-')
    tell(`${options.file}: ${image.size} bytes, ${expected === undefined ? 'no digest is known' : `${expected.algorithm} verified`}`)
}

function digestOf(image: ImageBody): { readonly algorithm: string; readonly value: string } | undefined {
  if (image.os_hash_algo !== null && image.os_hash_value !== null) return { algorithm: image.os_hash_algo, value: image.os_hash_value }
  return image.checksum === null ? undefined : { algorithm: 'md5', value: image.checksum }
}

const standardOutput = {
  write: (piece: Uint8Array): Promise<void> =>
    new Promise((done, fail) => process.stdout.write(piece, (error) => (error ? fail(error) : done()))),
  commit: async (): Promise<void> => {},
  discard: async (): Promise<void> => {},
}
