import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'

/** The document of `/openapi.json`: made from the schemas that validate, each operation with the policy rule that guards it. */
export async function describeRoutes(app: FastifyInstance, service: string): Promise<void> {
  await app.register(swagger.default, {
    openapi: {
      openapi: '3.1.0',
      info: { title: `Murmuration ${service}`, version: '1' },
      components: { securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' } } },
    },
    refResolver: {
      buildLocalReference: (json, _baseUri, _fragment, index) =>
        typeof json['$id'] === 'string' ? json['$id'] : typeof json['title'] === 'string' ? json['title'] : `schema-${index}`,
    },
    transform: ({ schema, url, route }) => {
      const policy = route.config?.policy
      const guarded = policy === undefined || policy === 'public' ? {} : { security: [{ token: [] }], 'x-policy': policy }
      return { schema: { ...schema, ...guarded }, url }
    },
  })
}
