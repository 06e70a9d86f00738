import { isAbsolute, resolve } from 'node:path'
import { Unacceptable, type Parse } from './parsers.ts'

/** Where bytes of images lie. */
export type ImageStore =
  | { readonly id: string; readonly type: 'file'; readonly folder: string }
  | {
      readonly id: string
      readonly type: 's3'
      readonly endpoint: string
      readonly region: string
      readonly bucket: string
      /** Empty, or ends in a slash. */
      readonly prefix: string
    }

const idPattern = /^[a-z0-9][a-z0-9_-]{0,31}$/
const wanted = "'<id>=file:<folder>' or '<id>=s3:<http(s)://host[:port]>/<bucket>[/<prefix>][?region=<region>]'"

/** A YAML list, or a text with commas; see `wanted`. */
export const imageStores: Parse<readonly ImageStore[]> = (raw, { folder }) => {
  const members = typeof raw === 'string' ? raw.split(',') : raw
  if (!Array.isArray(members) || members.length === 0) throw new Unacceptable(`give a list of ${wanted}`)
  const stores = members.map((member: unknown) => storeOf(typeof member === 'string' ? member.trim() : '', folder))
  const twice = stores.find((store, index) => stores.findIndex(({ id }) => id === store.id) !== index)
  if (twice !== undefined) throw new Unacceptable(`names the store '${twice.id}' twice: give each one its own id`)
  return stores
}

function storeOf(text: string, folder: string): ImageStore {
  const [, id = '', type, place = ''] = /^([^=]*)=(file|s3):(.+)$/.exec(text) ?? []
  if (!idPattern.test(id)) throw new Unacceptable(`'${text}' does not fit: give ${wanted}; ids have small letters, digits, - and _`)
  if (type === 'file') return { id, type, folder: isAbsolute(place) ? place : resolve(folder, place) }
  const url = URL.parse(place)
  const [bucket = '', ...prefix] = (url?.pathname ?? '').split('/').filter((part) => part !== '')
  if (url === null || !/^https?:$/.test(url.protocol) || bucket === '' || url.username !== '')
    throw new Unacceptable(`the store '${id}' has no bucket that can be reached: give ${wanted}; keys stand in image.s3CredentialsFile`)
  const region = url.searchParams.get('region') ?? 'us-east-1'
  return { id, type: 's3', endpoint: url.origin, region, bucket, prefix: prefix.map((part) => `${part}/`).join('') }
}

export const showImageStore = (store: ImageStore): string =>
  store.type === 'file'
    ? `${store.id}=file:${store.folder}`
    : `${store.id}=s3:${store.endpoint}/${store.bucket}/${store.prefix}?region=${store.region}`
