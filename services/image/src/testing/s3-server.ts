import { createHash, createHmac, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const s3Keys = { accessKeyId: 'AKIDTEST', secretAccessKey: 'not/a+real=secret' }

export interface S3Server {
  readonly url: string
  readonly objects: Map<string, Buffer>
  readonly uploads: Map<string, { readonly key: string; readonly parts: Map<number, Buffer> }>
  /** Requests as `METHOD key query`, in order. */
  readonly seen: string[]
  /** What befalls the next requests of this kind; undefined: nothing special. */
  fail: ((what: string) => Trouble | undefined) | undefined
  close(): void
}

/** `cut`: nothing was done. `lost`: it was done, and nobody is told. `page`: a proxy's words, with status 200. `cutAfter`: bytes of the answer. */
export type Trouble = { readonly status: number; readonly code: string } | 'cut' | 'lost' | 'page' | { readonly cutAfter: number }

const tagOf = (data: Uint8Array): string => createHash('md5').update(data).digest('hex')
const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)

/** Signature Version 4, computed anew from what arrived: method, path, query, signed headers and the digest of the body. */
function signatureProblem(request: IncomingMessage, url: URL, body: Buffer): string | undefined {
  const { authorization = '' } = request.headers
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    )
  if (parts === null) return 'AccessDenied'
  const [, keyId, day, region, signed = '', signature] = parts
  if (keyId !== s3Keys.accessKeyId) return 'InvalidAccessKeyId'
  const names = signed.split(';')
  if (!names.includes('host') || !names.includes('x-amz-date') || !names.includes('x-amz-content-sha256')) return 'AccessDenied'
  const digest = String(request.headers['x-amz-content-sha256'])
  if (digest !== sha256(body)) return 'XAmzContentSHA256Mismatch'
  const query = [...url.searchParams]
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .toSorted()
    .join('&')
  const headers = names.map((name) => `${name}:${String(request.headers[name]).trim()}\n`).join('')
  const canonical = [request.method, url.pathname, query, headers, signed, digest].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, sha256(canonical)].join('\n')
  const key = hmac(hmac(hmac(hmac(`AWS4${s3Keys.secretAccessKey}`, day!), region!), 's3'), 'aws4_request')
  return hmac(key, text).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch'
}

/** As much of S3 as a store of images needs, in memory; small pages, so that every list has several. */
export async function startS3(bucket: string, pageSize = 2): Promise<S3Server> {
  const objects = new Map<string, Buffer>()
  const uploads: S3Server['uploads'] = new Map()
  const xml = (response: ServerResponse, status: number, text: string): void =>
    void response.writeHead(status, { 'content-type': 'application/xml' }).end(`<?xml version="1.0" encoding="UTF-8"?>${text}`)
  const refuse = (response: ServerResponse, status: number, code: string): void =>
    xml(response, status, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`)

  function answer(request: IncomingMessage, response: ServerResponse, url: URL, body: Buffer): void {
    const query = url.searchParams
    const key = decodeURIComponent(url.pathname.slice(bucket.length + 2))
    const upload = uploads.get(query.get('uploadId') ?? '')
    if (query.has('uploadId') && upload?.key !== key) return refuse(response, 404, 'NoSuchUpload')
    switch (request.method ?? '') {
      case 'GET':
        if (key === '') return list(response, query)
        return read(request, response, key, true)
      case 'HEAD':
        if (key === '') return void response.writeHead(200).end()
        return read(request, response, key, false)
      case 'PUT':
        if (upload === undefined) objects.set(key, body)
        else if (!/^[1-9]\d{0,3}$|^10000$/.test(query.get('partNumber') ?? '')) return refuse(response, 400, 'InvalidArgument')
        else upload.parts.set(Number(query.get('partNumber')), body)
        return void response.writeHead(200, { etag: `"${tagOf(body)}"` }).end()
      case 'POST':
        if (query.has('uploads')) {
          const id = randomUUID()
          uploads.set(id, { key, parts: new Map() })
          return xml(response, 200, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
        }
        return complete(response, key, upload!, body.toString())
      case 'DELETE':
        if (upload === undefined) objects.delete(key)
        else uploads.delete(query.get('uploadId')!)
        return void response.writeHead(204).end()
      default:
        return refuse(response, 405, 'MethodNotAllowed')
    }
  }

  function complete(response: ServerResponse, key: string, upload: { parts: Map<number, Buffer> }, body: string): void {
    const named = [...body.matchAll(/<Part>.*?<\/Part>/gs)].map(([part]) => [
      Number(/<PartNumber>(\d+)</.exec(part)?.[1]),
      /<ETag>(?:"|&quot;)?([0-9a-f]{32})/.exec(part)?.[1],
    ])
    const parts = [...upload.parts].toSorted(([a], [b]) => a - b)
    const same =
      named.length === parts.length && named.every(([number, tag], at) => number === parts[at]![0] && tag === tagOf(parts[at]![1]))
    if (!same) return refuse(response, 400, 'InvalidPart')
    if (parts.slice(0, -1).some(([, part]) => part.length < 5 * 1024 * 1024)) return refuse(response, 400, 'EntityTooSmall')
    objects.set(key, Buffer.concat(parts.map(([, part]) => part)))
    for (const [id, one] of uploads) if (one === upload) uploads.delete(id)
    const tag = `"${tagOf(objects.get(key)!)}-${parts.length}"`
    xml(response, 200, `<CompleteMultipartUploadResult><Key>${key}</Key><ETag>${tag}</ETag></CompleteMultipartUploadResult>`)
  }

  function read(request: IncomingMessage, response: ServerResponse, key: string, withBody: boolean): void {
    const object = objects.get(key)
    if (object === undefined) return withBody ? refuse(response, 404, 'NoSuchKey') : void response.writeHead(404).end()
    const headers = { etag: `"${tagOf(object)}"`, 'content-type': 'application/octet-stream' }
    // A range that is none is no range, as the standard has it; one without a byte of the object is refused.
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
    const [start, end] = [Number(from ?? 0), Math.min(Number(to || Infinity), object.length - 1)]
    if (from === undefined || (to !== '' && Number(to) < start)) {
      response.writeHead(200, { ...headers, 'content-length': object.length })
      return void response.end(withBody ? object : undefined)
    }
    if (start >= object.length) return refuse(response, 416, 'InvalidRange')
    const part = object.subarray(start, end + 1)
    response.writeHead(206, { ...headers, 'content-length': part.length, 'content-range': `bytes ${start}-${end}/${object.length}` })
    response.end(withBody ? part : undefined)
  }

  function list(response: ServerResponse, query: URLSearchParams): void {
    const prefix = query.get('prefix') ?? ''
    const after = query.get('continuation-token') ?? [query.get('key-marker'), query.get('upload-id-marker')].filter(Boolean).join(' ')
    const known: (readonly [string, string])[] = query.has('uploads')
      ? [...uploads].map(([id, { key }]) => [`${key} ${id}`, `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`])
      : [...objects].map(([key, { length }]) => [key, `<Contents><Key>${key}</Key><Size>${length}</Size></Contents>`])
    const all = known.filter(([key]) => key.startsWith(prefix) && key > after).toSorted(([a], [b]) => (a < b ? -1 : 1))
    const page = all.slice(0, pageSize)
    const more = all.length > page.length
    const last = page.at(-1)?.[0] ?? ''
    const name = query.has('uploads') ? 'ListMultipartUploadsResult' : 'ListBucketResult'
    const [lastKey, lastId] = last.split(' ')
    const markers = `<NextKeyMarker>${lastKey}</NextKeyMarker><NextUploadIdMarker>${lastId}</NextUploadIdMarker>`
    const next = more ? `<NextContinuationToken>${last}</NextContinuationToken>${markers}` : ''
    xml(response, 200, `<${name}>${page.map(([, text]) => text).join('')}<IsTruncated>${more}</IsTruncated>${next}</${name}>`)
  }

  const server: S3Server = { url: '', objects, uploads, seen: [], fail: undefined, close: () => undefined }
  const http = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://s3.test')
      const body = Buffer.concat(chunks)
      const what = `${request.method} ${url.pathname}${url.search}`
      server.seen.push(what)
      const failing = server.fail?.(what)
      if (failing === 'cut') return void request.socket.destroy()
      if (failing === 'page') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Please sign in.</html>')
      if (typeof failing === 'object' && 'status' in failing) return refuse(response, failing.status, failing.code)
      if (failing === 'lost') Object.assign(response, { writeHead: () => response, end: () => request.socket.destroy() })
      else if (failing !== undefined)
        Object.assign(response, {
          end: (bytes: Uint8Array) => response.write(bytes.subarray(0, failing.cutAfter), () => request.socket.destroy()),
        })
      const problem = signatureProblem(request, url, body)
      if (problem !== undefined) return refuse(response, 403, problem)
      if (!`${url.pathname}/`.startsWith(`/${bucket}/`)) return refuse(response, 404, 'NoSuchBucket')
      answer(request, response, url, body)
    })
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return Object.assign(server, {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    close() {
      http.closeAllConnections()
      http.close()
    },
  })
}
