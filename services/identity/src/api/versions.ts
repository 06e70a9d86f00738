import { baseUrl, type Api } from './kit.ts'

/** The last version whose additions this service has; clients only look at the major number. */
const version = (href: string) => ({
  id: 'v3.14',
  status: 'stable',
  updated: '2020-04-07T00:00:00Z',
  links: [{ rel: 'self', href }],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
})

export function versionRoutes({ app, room }: Api): void {
  app.get('/', { config: { policy: 'public' } }, async (request, reply) => {
    const href = `${baseUrl(request, room)}/`
    return reply
      .code(300)
      .header('location', href)
      .send({ versions: { values: [version(href)] } })
  })
  app.get('/v3', { config: { policy: 'public' } }, async (request) => ({ version: version(`${baseUrl(request, room)}/`) }))
}
