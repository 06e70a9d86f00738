import type { App } from '@murmuration/http'
import { Secret } from '@murmuration/trust'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import type { PlanEntry } from '../rules/migration.ts'
import { claimMigration, readMigrationPlan, refusalOf, type ClaimedMigration } from '../store/migration-claims.ts'
import { subcloudToWire } from '../wire/subcloud.ts'
import { accept } from './accept.ts'
import type { ApiContext } from './context.ts'
import { flagOf } from './members.ts'
import { peerGroupOf } from './peer-groups.ts'
import { Subcloud } from './schemas.ts'

const Params = Type.Object({ group_ref: Type.String({ description: 'Id or name.' }) })
/** Closed, as the body is: a misspelt dry-run must not begin what it only asks about. */
const Query = Type.Object(
  { 'dry-run': Type.Optional(Type.String({ description: 'true or false; true: only says what would happen, and needs no body.' })) },
  { additionalProperties: false },
)
const Body = Type.Object(
  { sysadmin_password: Type.Optional(Type.String({ maxLength: 1024, description: 'Base64 of the password of user sysadmin.' })) },
  { title: 'SubcloudPeerGroupMigrate', additionalProperties: false },
)
const Answer = Type.Object({
  subclouds: Type.Array(Subcloud, { description: 'Those that migrate.' }),
  'operation-id': Type.Optional(Type.String({ description: 'New: the operation; see GET status.' })),
  plan: Type.Optional(
    Type.Array(
      Type.Object({
        id: Type.Integer(),
        name: Type.String(),
        'deploy-status': Type.String(),
        migrate: Type.Boolean(),
        reason: Type.Union([Type.String(), Type.Null()]),
      }),
      { description: 'New, with dry-run: what would happen to each member, and why not.' },
    ),
  ),
  refusal: Type.Optional(
    Type.Union([Type.String(), Type.Null()], { description: 'New, with dry-run: why the request would be refused as a whole; or null.' }),
  ),
})

/** Operation 40 (reference dcmanager §1.12, §7.9). The plan of the dry run and the claim are one rule, so that they never differ. */
export function peerGroupMigrateRoutes(app: App, context: ApiContext): void {
  const { desk } = context
  app.patch(
    '/v1.0/subcloud-peer-groups/:group_ref/migrate',
    {
      config: { policy: 'dc_api:subcloud_peer_groups:modify' },
      schema: {
        summary: 'Migrate the subclouds of a peer group to this site',
        params: Params,
        querystring: Query,
        body: Body,
        response: { 200: Answer },
      },
      preValidation: async (request) => {
        request.body ??= {}
      },
    },
    async (request, reply) => {
      const { body, query } = request
      if (flagOf('dry-run', query['dry-run'])) {
        const group = await peerGroupOf(context, request)
        const plan = await readMigrationPlan(desk.database, desk.keyring, group.id)
        return { subclouds: [], plan: plan.entries.map(planToWire), refusal: refusalOf(plan)?.message ?? null }
      }
      return accept(desk, request, reply, { ...body, query }, async (asker) => {
        const group = await peerGroupOf(context, request)
        const sysadminPassword = passwordOf(body.sysadmin_password)
        const claimed = await claimMigration(desk, asker, answerOf, { peerGroupId: group.id, sysadminPassword, witnessed: false })
        return answerOf(claimed)
      })
    },
  )
}

const planToWire = (entry: PlanEntry) => ({
  id: entry.subcloudId,
  name: entry.name,
  'deploy-status': entry.deployStatus,
  migrate: entry.migrate,
  reason: entry.reason ?? null,
})

/** Rehome data stands in no row, and a migration's answer is no place to tell it. */
const answerOf = ({ rows, jobId }: ClaimedMigration): string =>
  JSON.stringify({ subclouds: rows.map((row) => subcloudToWire(row)), 'operation-id': jobId })

function passwordOf(given: string | undefined): Secret {
  const field = 'sysadmin_password'
  if (given === undefined || given === '') throw errors.passwordMissing({ field }, { field })
  const clear = Buffer.from(given, 'base64')
  if (clear.length === 0 || clear.toString('base64').replace(/=+$/, '') !== given.replace(/=+$/, ''))
    throw errors.passwordNotBase64({ field }, { field })
  return new Secret(clear.toString('utf8'))
}
