import { randomUUID } from 'node:crypto'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { pause } from './until.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** Undefined when the body is no JSON. */
  readonly json: unknown
}

export interface Message {
  readonly method?: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly timeoutMs?: number
}

/** One request on a connection of its own, so that a balancer decides anew each time. */
export function exchange(message: Message): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const body = message.body === undefined ? undefined : Buffer.from(message.body)
    const request = httpRequest(message.url, {
      method: message.method ?? 'GET',
      agent: false,
      headers: { ...(body === undefined ? {} : { 'content-length': String(body.length) }), ...message.headers },
      timeout: message.timeoutMs ?? 70_000,
    })
    request.on('timeout', () => request.destroy(new Error(`${message.method ?? 'GET'} ${message.url}: no answer in time`)))
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parse(text) })
      })
    })
    request.end(body)
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export interface FormFile {
  readonly fileName: string
  readonly content: string
}

/** A multipart form as any client makes it. */
export function multipart(parts: Readonly<Record<string, string | FormFile>>): { contentType: string; body: Buffer } {
  const boundary = `----conformance${randomUUID()}`
  const lines = Object.entries(parts).flatMap(([name, part]) =>
    typeof part === 'string'
      ? [`--${boundary}`, `content-disposition: form-data; name="${name}"`, '', part]
      : [
          `--${boundary}`,
          `content-disposition: form-data; name="${name}"; filename="${part.fileName}"`,
          'content-type: application/octet-stream',
          '',
          part.content,
        ],
  )
  return { contentType: `multipart/form-data; boundary=${boundary}`, body: Buffer.from([...lines, `--${boundary}--`, ''].join('\r\n')) }
}

export interface Credentials {
  readonly user: string
  readonly password: string
  readonly project: string
}

/** A project-scoped token, as `openstack token issue` gets it. */
export async function signIn(authUrl: string, { user, password, project }: Credentials): Promise<string> {
  const domain = { id: 'default' }
  const answer = await exchange({
    method: 'POST',
    url: `${authUrl}/auth/tokens`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: { user: { name: user, domain, password } } },
        scope: { project: { name: project, domain } },
      },
    }),
  })
  const token = answer.headers['x-subject-token']
  if (answer.status !== 201 || typeof token !== 'string') throw new Error(`signing in as ${user}: ${answer.status} ${answer.text}`)
  return token
}

export interface Sent {
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string | FormFile>>
  readonly headers?: Readonly<Record<string, string>>
}

export interface Api {
  readonly base: string
  token(): Promise<string>
  /**
   * One request with a token. What changes something carries an idempotency key, and is sent again with it when the connection
   * was lost: a client that can't know whether it was heard.
   */
  send(method: string, path: string, sent?: Sent): Promise<Answer>
  get<T>(path: string): Promise<T>
}

const sendTimes = 20

export function createApi(base: string, authUrl: string, credentials: Credentials): Api {
  let token: Promise<string> | undefined
  const again = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let left = sendTimes; ; left -= 1) {
      try {
        return await work()
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (left === 0 || code === undefined || !['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'EAGAIN'].includes(code)) throw error
        await pause(200)
      }
    }
  }
  /** A machine with more to do than it can leaves identity unheard for a moment; the answer says that nothing was done, and to come again. */
  const heard = async (message: Parameters<typeof exchange>[0]): Promise<Answer> => {
    const answer = await exchange(message)
    if (answer.status !== 503 || !answer.text.includes('identity service can not be reached')) return answer
    throw Object.assign(new Error(answer.text), { code: 'EAGAIN' })
  }
  const api: Api = {
    base,
    token: () =>
      (token ??= again(() => signIn(authUrl, credentials)).catch((error: unknown) => {
        // Who could not sign in, since the service was starting, tries anew the next time.
        token = undefined
        throw error
      })),
    async send(method, path, sent = {}) {
      const form = sent.form === undefined ? undefined : multipart(sent.form)
      const body = form?.body ?? (sent.json === undefined ? undefined : JSON.stringify(sent.json))
      const type = form?.contentType ?? (sent.json === undefined ? undefined : 'application/json')
      const headers = {
        accept: 'application/json',
        'x-auth-token': await api.token(),
        ...(type === undefined ? {} : { 'content-type': type }),
        ...(method === 'GET' ? {} : { 'idempotency-key': randomUUID() }),
        ...sent.headers,
      }
      const message = { method, url: `${base}${path}`, ...(body === undefined ? {} : { body }) }
      const answer = await again(() => heard({ ...message, headers }))
      if (answer.status !== 401 || sent.headers?.['x-auth-token'] !== undefined) return answer
      // As any client: a token that is not taken any more is followed by a new one, once.
      token = undefined
      return again(async () => heard({ ...message, headers: { ...headers, 'x-auth-token': await api.token() } }))
    },
    async get<T>(path: string) {
      const answer = await api.send('GET', path)
      if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text}`)
      return answer.json as T
    },
  }
  return api
}
