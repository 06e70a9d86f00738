import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createPolicy, type App } from '@murmuration/http'
import type { ApiContext } from '../api/context.ts'
import { createDcmanagerApp, type ApiOptions } from '../api/app.ts'
import { policies } from '../policies.ts'
import { apiContextOf } from '../service.ts'
import { fakeSite, type FakeSite, type FakeSiteOptions } from './fake-site.ts'

const examples = join(import.meta.dirname, '../../../../docs/examples')
export const example = (name: 'bootstrap-values' | 'install-values' | 'deploy-config'): string =>
  readFileSync(join(examples, `${name}.yaml`), 'utf8')

export const base64 = (text: string): string => Buffer.from(text).toString('base64')
export const sysadminSecret = 'Sysadm1n*very-secret'
export const bmcSecret = 'Bmc*very-secret'

export interface Answer {
  readonly status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  readonly json: any
  readonly text: string
  readonly headers: Readonly<Record<string, unknown>>
}

export interface ApiBench extends FakeSite {
  readonly app: App
  readonly context: ApiContext
  /** As `admin` of project admin unless `token` says otherwise. `form` sends multipart, `json` a JSON body. */
  readonly call: (
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    options?: {
      token?: string | null
      form?: Readonly<Record<string, string | { fileName: string; data: string | Uint8Array }>>
      json?: unknown
      headers?: Record<string, string>
      body?: string
    },
  ) => Promise<Answer>
  /** The example subcloud number `n`: its own name and addresses. */
  readonly values: (n: number) => string
  readonly add: (n: number, more?: Readonly<Record<string, string | { fileName: string; data: string }>>) => Promise<Answer>
}

/** The application over an in-memory database, called without a network. */
export async function apiBench(
  t: TestContext,
  options: FakeSiteOptions & {
    context?: Partial<ApiContext>
    system?: { uuid: string; name: string }
    more?: (site: FakeSite) => ApiOptions['more']
  } = {},
): Promise<ApiBench> {
  const fake = await fakeSite(t, options)
  const { site, database } = fake
  const network = { subnet: '127.0.0.0/24', start: '127.0.0.1', end: '127.0.0.100', gateway: '127.0.0.254', floating: '127.0.0.1' }
  const facts: ApiContext['facts'] = {
    system: async () => ({
      ...(options.system ?? { uuid: 'u', name: 'controller' }),
      regionName: 'RegionOne',
      softwareVersion: site.config.softwareVersion,
      systemMode: 'simplex',
    }),
    managementNetwork: async () => network,
    releases: async () => [
      { releaseId: `r-${site.config.softwareVersion}`, softwareVersion: site.config.softwareVersion, state: 'deployed' },
    ],
  }
  const context: ApiContext = {
    ...apiContextOf(site, database, facts),
    waitForJob: async () => undefined,
    waitForJobs: async () => [],
    healthProblems: async () => [],
    ...options.context,
  }
  const policy = await createPolicy(site.world, policies)
  t.after(() => policy.close())
  const more = options.more?.(fake)
  const app = await createDcmanagerApp(context, { tokens: site.tokens, policy, ...(more === undefined ? {} : { more }) })
  t.after(() => app.close())
  await app.ready()

  const bench: ApiBench = {
    ...fake,
    app,
    context,
    async call(method, url, { token = 'admin@admin', form, json, headers = {}, body } = {}) {
      const multipart = form === undefined ? undefined : multipartOf(form)
      const response = await app.inject({
        method,
        url,
        headers: {
          ...(token === null ? {} : { 'x-auth-token': token }),
          accept: 'application/json',
          ...(multipart === undefined ? {} : { 'content-type': multipart.contentType }),
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(multipart === undefined ? {} : { payload: multipart.body }),
        ...(json === undefined ? {} : { payload: JSON.stringify(json) }),
        ...(body === undefined ? {} : { payload: body }),
      })
      let parsed: unknown
      try {
        parsed = JSON.parse(response.body)
      } catch {
        parsed = undefined
      }
      return { status: response.statusCode, json: parsed, text: response.body, headers: response.headers }
    },
    values: (n) =>
      example('bootstrap-values')
        .replaceAll('subcloud3', `subcloud${n}`)
        .replaceAll('127.0.3.', `127.0.${n}.`)
        .replaceAll('127.1.3.', `127.1.${n}.`),
    add: (n, more = {}) =>
      bench.call('POST', '/v1.0/subclouds', {
        form: {
          bootstrap_values: { fileName: 'values.yml', data: bench.values(n) },
          'bootstrap-address': `127.1.${n}.2`,
          sysadmin_password: base64(sysadminSecret),
          ...more,
        },
      }),
  }
  return bench
}

const boundary = '----test-boundary-7f3a'

export function multipartOf(form: Readonly<Record<string, string | { fileName: string; data: string | Uint8Array }>>): {
  contentType: string
  body: Buffer
} {
  const parts = Object.entries(form).map(([name, value]) =>
    typeof value === 'string'
      ? Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
      : Buffer.concat([
          Buffer.from(
            `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${value.fileName}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
          ),
          Buffer.from(value.data),
          Buffer.from('\r\n'),
        ]),
  )
  return { contentType: `multipart/form-data; boundary=${boundary}`, body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]) }
}
