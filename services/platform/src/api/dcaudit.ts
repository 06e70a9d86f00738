import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import { answerAudit } from '../rules/audit.ts'
import type { AuditCache } from '../work/audit-cache.ts'

const Text = (most: number) => Type.String({ maxLength: most })
const Nullable = <T extends ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer>>(type: T) => Type.Union([type, Type.Null()])
/** As the system controller describes an image that it has applied; further members are of no use here. */
const AppliedImage = Type.Object({
  bitstream_type: Type.Optional(Text(64)),
  pci_vendor: Type.Optional(Text(64)),
  pci_device: Type.Optional(Text(64)),
  bitstream_id: Type.Optional(Nullable(Text(255))),
  key_signature: Type.Optional(Nullable(Text(255))),
  revoke_key_id: Type.Optional(Nullable(Type.Integer())),
  applied_labels: Type.Optional(Type.Record(Type.String(), Text(255), { maxProperties: 64 })),
})
const Audits = Type.Object(
  {
    base_audit: Type.Optional(Type.Literal('')),
    firmware_audit: Type.Optional(Type.Array(AppliedImage, { maxItems: 1_000 })),
    kubernetes_audit: Type.Optional(Text(64)),
    kube_rootca_audit: Type.Optional(Type.Literal(true)),
    software_audit: Type.Optional(
      Type.Object({ deployed_release_ids: Type.Array(Text(255), { maxItems: 1_000 }) }, { additionalProperties: false }),
    ),
    use_cache: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

/** Audit name → reference data in, audit name → result out (reference dcmanager §8.3). */
export function dcaudit(app: App, cache: AuditCache): void {
  app.patch('/v1/dcaudit', { config: { policy: 'dcagent_api:dcaudit' }, schema: { body: Audits } }, async ({ body }) => {
    const facts = body.use_cache === false ? await cache.fresh() : await cache.cached()
    return answerAudit(facts, body)
  })
}
