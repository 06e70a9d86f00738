import type { App } from '@murmuration/http'
import { versionDocument } from '../wire/versions.ts'

/** GET / (reference dcmanager §1.1): the only operation without a token. */
export function versionRoutes(app: App): void {
  app.get('/', { config: { policy: 'public' }, schema: { summary: 'API versions' } }, async (request) =>
    versionDocument(`${request.protocol}://${hostOf(request.headers.host)}`),
  )
}

/** Goes into a document: only what a host may look like. */
const hostOf = (host: string | undefined): string => (host !== undefined && /^[A-Za-z0-9.:[\]-]{1,255}$/.test(host) ? host : 'localhost')
