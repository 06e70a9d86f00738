import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import type { ApiContext } from './context.ts'

/**
 * The certificate authority of this controller, for its peers: what a subcloud shows after it moved here is signed by it, and its former
 * controller asks it once more whose it is. No secret; an addition to the reference.
 */
export function controllerAuthorityRoutes(app: App, { site }: ApiContext): void {
  app.get(
    '/v1.0/controller-authority',
    {
      config: { policy: 'dc_api:controller_authority:get' },
      schema: {
        summary: 'Certificate authority of this system controller',
        response: { 200: Type.Object({ authority_pem: Type.String() }, { title: 'ControllerAuthority' }) },
      },
    },
    async () => {
      if (site.authority === undefined) throw errors.controllerUnknown({ what: 'certificate authority' })
      return { authority_pem: site.authority.certificate }
    },
  )
}
