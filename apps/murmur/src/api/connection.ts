import { AuthenticationFailed, createKeystoneSession, type KeystoneSession } from '@murmuration/clients'
import { Secret } from '@murmuration/trust'
import { NetworkError, type HttpResponse, type StreamResponse, type World } from '@murmuration/world'
import { CommandFailed, exitCodeOf, exitCodes } from '../exit.ts'
import { askSecret } from '../terminal.ts'
import { encodeMultipart, type FilePart } from './multipart.ts'
import { credentialsEnvironment } from './openrc.ts'
import { Unreachable } from './unreachable.ts'

export interface Body {
  readonly json?: unknown
  readonly fields?: Readonly<Record<string, string | undefined>>
  readonly files?: readonly FilePart[]
  readonly headers?: Readonly<Record<string, string>>
  /** Gets what the API says beside an answer whose body has no place for it. */
  readonly onMessage?: (message: string) => void
}

/** An API of a site as the caller's account. */
export interface Connection {
  /** Answers the parsed JSON body; refusals end the command with the API's own words. */
  request<T>(method: string, path: string, body?: Body): Promise<T>
  /** Bytes of any size, sent or answered; whoever does not read the answer's to their end discards it. Refusals end the command as above. */
  stream(method: string, path: string, sent?: Sent): Promise<StreamResponse>
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: AsyncIterable<Uint8Array>
}

const deadlineMs = 90_000
/** A disk that is slow for a moment is no broken line. */
const stallMs = 60_000
/** More of a refusal is not read. */
const refusalBytesMost = 64 * 1024

/** Signs in with OS_* (or the lab's openrc) and finds the service in the catalog: the fleet manager unless told otherwise. */
export async function connect(
  world: World,
  environment: Readonly<Record<string, string | undefined>>,
  serviceType = 'dcmanager',
): Promise<Connection> {
  const variables = await credentialsEnvironment(world, environment)
  const session = await openSession(world, variables)
  const endpointInterface = interfaceOf(variables['OS_INTERFACE'] ?? variables['OS_ENDPOINT_TYPE'])
  const base = await reach(
    () => session.endpointUrl(serviceType, { interface: endpointInterface }, deadlineMs),
    variables['OS_AUTH_URL'] ?? '',
  )
  if (base === undefined) {
    throw new CommandFailed(
      exitCodes.refused,
      `The catalog has no ${endpointInterface} endpoint of type ${serviceType}.`,
      'Sign in at a system controller.',
    )
  }
  const origin = base.replace(/\/$/, '')
  return {
    request: (method, path, body) => exchange(world, session, origin, method, path, body),
    stream: (method, path, sent) => transfer(world, session, origin, method, path, sent),
  }
}

async function openSession(world: World, variables: Readonly<Record<string, string | undefined>>): Promise<KeystoneSession> {
  const authUrl = variables['OS_AUTH_URL']
  const userName = variables['OS_USERNAME']
  if (authUrl === undefined || userName === undefined) {
    throw new CommandFailed(
      exitCodes.usage,
      'No credentials: OS_AUTH_URL and OS_USERNAME are not set.',
      'Source an openrc file, for example: . var/openrc',
    )
  }
  const password = variables['OS_PASSWORD']
  const caFile = variables['OS_CACERT']
  const ca = caFile === undefined ? undefined : await world.files.read(caFile)
  return createKeystoneSession(world, {
    authUrl: authUrl.replace(/\/$/, '').endsWith('/v3') ? authUrl.replace(/\/$/, '') : `${authUrl.replace(/\/$/, '')}/v3`,
    userName,
    userDomainName: variables['OS_USER_DOMAIN_NAME'] ?? 'Default',
    password: password === undefined ? await askSecret(`Password of ${userName}`, 'OS_PASSWORD') : new Secret(password),
    projectName: variables['OS_PROJECT_NAME'] ?? 'admin',
    projectDomainName: variables['OS_PROJECT_DOMAIN_NAME'] ?? 'Default',
    ...(ca === undefined ? {} : { tls: { ca: Buffer.from(ca).toString('utf8') } }),
  })
}

function interfaceOf(value: string | undefined): 'public' | 'internal' | 'admin' {
  const name = (value ?? 'public').replace(/URL$/, '')
  return name === 'internal' || name === 'admin' ? name : 'public'
}

async function exchange<T>(
  world: World,
  session: KeystoneSession,
  base: string,
  method: string,
  path: string,
  body: Body = {},
): Promise<T> {
  const encoded = encodeBody(world, body)
  const send = async (): Promise<HttpResponse> =>
    world.net.request({
      method,
      url: `${base}${path}`,
      headers: { accept: 'application/json', 'x-auth-token': await session.token(deadlineMs), ...encoded.headers, ...body.headers },
      ...(encoded.body === undefined ? {} : { body: encoded.body }),
      deadlineMs,
      maxResponseBytes: 256 * 1024 * 1024,
    })
  let response = await reach(send, base)
  if (response.status === 401) {
    session.invalidate()
    response = await reach(send, base)
  }
  const text = Buffer.from(response.body).toString('utf8')
  if (response.status >= 400) throw refusal(response.status, text)
  const message = response.headers['murmuration-message']
  if (message !== undefined) body.onMessage?.(message)
  return (text === '' ? null : JSON.parse(text)) as T
}

/** Is not sent again after a 401: what was read from a terminal or a pipe is gone, and the token was made for this command. */
async function transfer(
  world: World,
  session: KeystoneSession,
  base: string,
  method: string,
  path: string,
  { headers = {}, body }: Sent = {},
): Promise<StreamResponse> {
  const send = async (): Promise<StreamResponse> =>
    world.net.stream({
      method,
      url: `${base}${path}`,
      headers: { accept: 'application/json', 'x-auth-token': await session.token(deadlineMs), ...headers },
      ...(body === undefined ? {} : { body }),
      deadlineMs,
      stallMs,
    })
  const answer = await reach(send, base)
  if (answer.status < 400) return answer
  let text = ''
  for await (const piece of answer.body) if ((text += Buffer.from(piece).toString('utf8')).length > refusalBytesMost) break
  throw refusal(answer.status, text)
}

function encodeBody(world: World, body: Body): { headers: Record<string, string>; body?: string | Uint8Array } {
  if (body.json !== undefined) return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body.json) }
  if (body.fields === undefined && body.files === undefined) return { headers: {} }
  const encoded = encodeMultipart(body.fields ?? {}, body.files ?? [], `murmur-${world.random.uuid()}`)
  return { headers: { 'content-type': encoded.contentType }, body: encoded.body }
}

function refusal(status: number, text: string): CommandFailed {
  try {
    const fault = JSON.parse(text) as {
      description?: string
      message?: string
      title?: string
      hint?: string
      error?: { message?: string }
    }
    const message = fault.description ?? fault.error?.message ?? fault.message ?? fault.title ?? text
    return new CommandFailed(exitCodeOf(status, message), `${message} (HTTP ${status})`, fault.hint)
  } catch {
    return new CommandFailed(exitCodeOf(status), `The API refused the request (HTTP ${status}).`)
  }
}

async function reach<T>(work: () => Promise<T>, where: string): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AuthenticationFailed)
      throw new CommandFailed(
        exitCodes.authentication,
        'The credentials were refused.',
        'Check OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME.',
      )
    if (error instanceof NetworkError) throw new Unreachable(`${where} can not be reached: ${error.message}`)
    throw error
  }
}
