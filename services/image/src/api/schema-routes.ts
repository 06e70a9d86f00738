import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { schemas } from '../wire/schemas.ts'

/** The JSON schemas that clients ask for (reference image §1.3). */
export function schemaRoutes(app: App): void {
  app.get(
    '/v2/schemas/:name',
    { config: { policy: 'authenticated' }, schema: { summary: 'Show a schema', params: Type.Object({ name: Type.String() }) } },
    (request) => {
      const { name } = request.params
      if (!Object.hasOwn(schemas, name)) throw errors.notFound({ what: 'There is no such schema.' })
      return schemas[name]
    },
  )
}
