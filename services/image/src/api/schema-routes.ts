import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { metadefSchemas } from '../wire/metadef-schemas.ts'
import { schemas } from '../wire/schemas.ts'

/** The JSON schemas that clients ask for (reference image §1.3). */
export function schemaRoutes(app: App): void {
  for (const [path, known] of [
    ['/v2/schemas/:name', schemas],
    ['/v2/schemas/metadefs/:name', metadefSchemas],
  ] as const)
    app.get(
      path,
      { config: { policy: 'authenticated' }, schema: { summary: 'Show a schema', params: Type.Object({ name: Type.String() }) } },
      (request) => {
        const { name } = request.params
        if (!Object.hasOwn(known, name)) throw errors.notFound({ what: 'There is no such schema.' })
        return known[name]
      },
    )
}
