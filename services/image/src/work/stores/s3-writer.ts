import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { FileWriter } from '@murmuration/world'
import { requireTag, storeFailure } from './s3-failures.ts'

const mebibyte = 1024 * 1024
/** A store takes 10,000 parts: they grow, so that a terabyte fits, and small images need little memory. */
export const partBytesOf = (part: number): number => (part <= 1_000 ? 8 : part <= 2_000 ? 64 : 128) * mebibyte

const writing = 'be written to'

export interface S3Object {
  readonly Bucket: string
  readonly Key: string
}

/**
 * One object, written part by part: at most two parts are in memory, the one that fills and the one that is sent. What fits into one part
 * is put at once, at `commit`. Nothing is seen under the key before that.
 */
export function createS3Writer(client: S3Client, object: S3Object, store: string): FileWriter {
  let pieces: Buffer[] = []
  let filled = 0
  let total = 0
  let uploadId: string | undefined
  let sending: Promise<void> = Promise.resolve()
  let over = false
  const tags: string[] = []

  async function begin(): Promise<void> {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...object, ContentType: 'application/octet-stream' }))
    uploadId = UploadId!
  }

  async function upload(PartNumber: number, Body: Uint8Array): Promise<void> {
    const { ETag } = await client.send(new UploadPartCommand({ ...object, UploadId: uploadId, PartNumber, Body }))
    tags[PartNumber - 1] = requireTag(store, writing, ETag)
  }

  async function sendPart(): Promise<void> {
    await sending
    if (uploadId === undefined) await begin()
    const body = Buffer.concat(pieces, filled)
    const PartNumber = tags.push('')
    pieces = []
    filled = 0
    const sent = upload(PartNumber, body)
    // It is waited for before the next one; until then nobody else hears of its failure.
    sent.catch(() => undefined)
    sending = sent
  }

  async function complete(): Promise<void> {
    const Parts = tags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }))
    try {
      const { ETag } = await client.send(new CompleteMultipartUploadCommand({ ...object, UploadId: uploadId, MultipartUpload: { Parts } }))
      requireTag(store, writing, ETag)
    } catch (error) {
      // Its answer may have got lost, and nothing else: it is all there, or nothing is.
      const there = await client.send(new HeadObjectCommand(object)).catch(() => undefined)
      if (there?.ETag === undefined || there.ContentLength !== total) throw error
    }
  }

  const saying = async (doing: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      throw storeFailure(store, doing, error)
    }
  }

  return {
    write: (piece) =>
      saying(writing, async () => {
        for (let at = 0; at < piece.length;) {
          const room = partBytesOf(tags.length + 1) - filled
          // The caller may use its memory again.
          const taken = Buffer.from(piece.subarray(at, at + room))
          pieces.push(taken)
          filled += taken.length
          total += taken.length
          at += taken.length
          if (filled === partBytesOf(tags.length + 1)) await sendPart()
        }
      }),
    commit: () =>
      saying(writing, async () => {
        if (uploadId === undefined) {
          const { ETag } = await client.send(
            new PutObjectCommand({ ...object, Body: Buffer.concat(pieces, filled), ContentType: 'application/octet-stream' }),
          )
          requireTag(store, writing, ETag)
        } else {
          if (filled > 0) await sendPart()
          await sending
          await complete()
        }
        over = true
        pieces = []
      }),
    discard: () =>
      saying('be cleaned up', async () => {
        if (over) return
        over = true
        pieces = []
        // A part that arrives after the end of its upload would stay.
        await sending.catch(() => undefined)
        if (uploadId !== undefined) await client.send(new AbortMultipartUploadCommand({ ...object, UploadId: uploadId }))
      }),
  }
}
