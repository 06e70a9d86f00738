import type { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { SiteConfig } from '@murmuration/site'
import type { World } from '@murmuration/world'
import { createS3Client } from './s3-client.ts'
import { credentialsOf } from './s3-credentials.ts'
import { isMissing, requireTag, storeFailure } from './s3-failures.ts'
import { createS3Writer } from './s3-writer.ts'
import { idPattern, ownerName } from './data-id.ts'
import type { ByteStore, OwnerMark } from './stores.ts'
import { StoreUnavailable } from './unavailable.ts'

/** A bucket that speaks S3. Objects are named by ids of ours below the prefix; whatever else lies there is somebody else's. */
export function createS3Store(
  world: World,
  place: Extract<SiteConfig['image']['stores'][number], { type: 's3' }>,
  credentialsFile: string,
): ByteStore & { readonly mark: OwnerMark } {
  const { id, bucket, prefix, endpoint, region } = place
  const client = createS3Client(world, place, credentialsOf(world, credentialsFile, id))
  const failure = (doing: string, error: unknown): unknown => storeFailure(id, doing, error)
  const objectOf = (dataId: string) => {
    if (!idPattern.test(dataId)) throw new Error(`not an id of data: ${JSON.stringify(dataId.slice(0, 64))}`)
    return { Bucket: bucket, Key: `${prefix}${dataId}` }
  }
  const mark = { Bucket: bucket, Key: `${prefix}${ownerName}` }
  const idOf = (key: string | undefined): string | undefined => {
    const name = key?.startsWith(prefix) === true ? key.slice(prefix.length) : ''
    return idPattern.test(name) ? name : undefined
  }
  async function attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw failure(doing, error)
    }
  }

  const size = (dataId: string): Promise<number | undefined> =>
    attempt('be asked', async () => {
      try {
        const { ETag, ContentLength } = await client.send(new HeadObjectCommand(objectOf(dataId)))
        requireTag(id, 'be asked', ETag)
        return ContentLength
      } catch (error) {
        if (!isMissing(error)) throw error
        // The same answer as for a bucket that is not there, of which nothing is lost.
        await client.send(new HeadBucketCommand({ Bucket: bucket }))
        return undefined
      }
    })

  /** Uploads in parts that were begun and neither completed nor aborted, with the keys that begin like this one. */
  async function* begun(keyPrefix: string) {
    let markers: { KeyMarker?: string; UploadIdMarker?: string } = {}
    for (;;) {
      const page = await attempt('be listed', () =>
        client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: keyPrefix, ...markers })),
      )
      for (const upload of page.Uploads ?? []) yield upload
      if (page.IsTruncated !== true || page.NextKeyMarker === undefined) return
      markers = {
        KeyMarker: page.NextKeyMarker,
        ...(page.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: page.NextUploadIdMarker }),
      }
    }
  }

  async function abort(dataId: string): Promise<void> {
    const object = objectOf(dataId)
    for await (const { Key, UploadId } of begun(object.Key))
      if (Key === object.Key) await client.send(new AbortMultipartUploadCommand({ ...object, UploadId })).catch(unlessMissing)
  }

  return {
    id,
    type: 's3',
    properties: { s3_store_host: endpoint, s3_store_bucket: bucket, s3_store_region: region },
    async create(dataId) {
      if ((await size(dataId)) !== undefined) throw Object.assign(new Error('there is data already'), { code: 'EEXIST' })
      return createS3Writer(client, objectOf(dataId), id)
    },
    async *read(dataId, { start, end }) {
      for (let at = start; at <= end;) {
        const from = at
        const answer = await attempt('be read', () =>
          client.send(new GetObjectCommand({ ...objectOf(dataId), Range: `bytes=${from}-${end}` })),
        )
        const bytes = answer.Body as Readable
        try {
          if (answer.ContentRange?.startsWith(`bytes ${from}-${end}/`) !== true) {
            bytes.destroy()
            throw new StoreUnavailable(id, 'be read', { why: 'it does not give the range that it was asked for' })
          }
          for await (const piece of bytes as AsyncIterable<Uint8Array>) {
            at += piece.length
            yield piece
          }
        } catch (error) {
          // Who breaks off after some bytes is asked for the rest.
          if (at === from) throw failure('be read', error)
        }
        if (at === from) throw new StoreUnavailable(id, 'be read', { why: 'it ends before the end of the data' })
      }
    },
    size,
    remove: (dataId) =>
      attempt('remove data', async () => {
        await abort(dataId)
        await client.send(new DeleteObjectCommand(objectOf(dataId))).catch(unlessMissing)
      }),
    async *list() {
      for (let token: string | undefined; ;) {
        const page = await attempt('be listed', () =>
          client.send(
            new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) }),
          ),
        )
        const ids = (page.Contents ?? []).flatMap(({ Key }) => idOf(Key) ?? [])
        if (ids.length > 0) yield ids
        token = page.NextContinuationToken
        if (page.IsTruncated !== true || token === undefined) return
      }
    },
    async *unfinished() {
      for await (const { Key } of begun(prefix)) {
        const dataId = idOf(Key)
        if (dataId !== undefined) yield dataId
      }
    },
    removeUnfinished: (dataId) => attempt('remove data', () => abort(dataId)),
    mark: {
      read: () =>
        attempt('be asked', async () => {
          const answer = await client.send(new GetObjectCommand(mark)).catch(unlessMissing)
          return (await answer?.Body?.transformToString())?.trim()
        }),
      write: (site) =>
        attempt('be written to', async () => void (await client.send(new PutObjectCommand({ ...mark, Body: Buffer.from(site) })))),
    },
    url: (dataId) => `s3://${new URL(endpoint).host}/${bucket}/${objectOf(dataId).Key}`,
    close: () => client.destroy(),
  }
}

function unlessMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
