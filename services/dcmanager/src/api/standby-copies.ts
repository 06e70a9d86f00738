import { ApiError, sentenceOf, type App } from '@murmuration/http'
import { Type, type Static } from 'typebox'
import { errors, invalidField } from '../errors.ts'
import { isStandby } from '../rules/peer-groups.ts'
import { standbyCopyLimits, type CopyOutcome } from '../rules/standby-copies.ts'
import { claimStandbyCopies, type Asker } from '../store/claims.ts'
import type { SubcloudToAdd } from '../store/new-subclouds.ts'
import { readRegions, type SubcloudRow } from '../store/subclouds.ts'
import type { ApiContext } from './context.ts'
import { formOf, type Form } from './form.ts'
import { peerGroupOf } from './peer-groups.ts'
import { hasPeerPrivileges } from './peer-privileges.ts'
import { secondaryToAdd } from './subcloud-add.ts'
import { updateByForm } from './subcloud-update.ts'

const text = (maxLength: number, description: string) => Type.String({ maxLength, description })
const document = (what: string) => text(standbyCopyLimits.documentBytes, `${what} as YAML (or JSON) text.`)
const StandbyCopy = Type.Object(
  {
    region_name: Type.String({ minLength: 1, maxLength: 255, description: 'The region that the subcloud has.' }),
    bootstrap_values: document('Bootstrap values'),
    'bootstrap-address': text(255, 'IP address under which the subcloud is deployed.'),
    install_values: Type.Optional(document('Install values')),
    bmc_password: Type.Optional(text(4096, 'Base64 of the password of the BMC.')),
    description: Type.Optional(text(255, 'Free text.')),
    location: Type.Optional(text(255, 'Free text.')),
    release: text(64, 'MM.mm'),
  },
  { title: 'StandbyCopy', additionalProperties: false },
)
const StandbyCopies = Type.Object(
  { standby_copies: Type.Array(StandbyCopy, { minItems: 1, maxItems: standbyCopyLimits.entries }) },
  { title: 'StandbyCopies', additionalProperties: false },
)
const StandbyCopyOutcome = Type.Object(
  {
    region_name: Type.String(),
    outcome: Type.String({
      description: 'written; name-taken: by another subcloud; not-standby: that subcloud is no copy here; refused: see message.',
    }),
    'deploy-status': Type.Union([Type.String(), Type.Null()]),
    status: Type.Union([Type.Integer(), Type.Null()], { description: 'HTTP status that a request for this copy alone would have had.' }),
    message: Type.Union([Type.String(), Type.Null()]),
  },
  { title: 'StandbyCopyOutcome' },
)

type Copy = Static<typeof StandbyCopy>

/**
 * New, between controllers of this kind: what a sync sends of up to 50 members in one request, instead of two or three for each (add or
 * update, then join). Each is judged and written as those requests would; one that is refused leaves the others alone.
 */
export function standbyCopyRoutes(app: App, context: ApiContext): void {
  app.post(
    '/v1.0/subcloud-peer-groups/:group_ref/standby-copies',
    {
      config: { policy: 'dc_api:subcloud_peer_groups:write_standby_copies' },
      bodyLimit: standbyCopyLimits.requestBytes,
      schema: {
        summary: 'As a system peer: write standby copies of members of a peer group',
        params: Type.Object({ group_ref: Type.String({ description: 'Id or name.' }) }),
        body: StandbyCopies,
        response: { 200: Type.Object({ standby_copies: Type.Array(StandbyCopyOutcome) }) },
      },
    },
    async (request) => {
      if (!(await hasPeerPrivileges(context, request))) throw errors.peersOnly()
      // Who may not do it one by one may not do it at once.
      request.authorize('dc_api:subclouds:create')
      request.authorize('dc_api:subclouds:modify')
      const group = await peerGroupOf(context, request)
      const { standby_copies: copies } = request.body
      const regions = copies.map((copy) => copy.region_name)
      const twice = regions.findIndex((region, index) => regions.indexOf(region) !== index)
      if (twice >= 0) throw invalidField(`standby_copies.${twice}.region_name`, 'stands there twice')
      const asker = { userId: request.identity.userId, requestId: request.requestId }
      const outcomes = await writeCopies(context, asker, group.id, copies)
      return { standby_copies: copies.map(({ region_name: region }, index) => outcomeToWire(region, outcomes[index]!)) }
    },
  )
}

/**
 * In their order. New copies are added by one transaction together, for each of which all or nothing is written; those that are there are
 * updated one by one, for that may move their addresses.
 */
async function writeCopies(context: ApiContext, asker: Asker, groupId: number, copies: readonly Copy[]): Promise<readonly CopyOutcome[]> {
  const { desk } = context
  const found = await readRegions(
    desk.database,
    copies.map((copy) => copy.region_name),
  )
  const outcomes: CopyOutcome[] = []
  const fresh: { readonly index: number; readonly given: SubcloudToAdd }[] = []
  for (const [index, copy] of copies.entries()) {
    const row = found.get(copy.region_name)
    // The same members as those of the forms for one copy.
    const form = formOf({ fields: { ...copy }, files: {} })
    outcomes[index] = await attempt(context, async () => {
      if (row !== undefined) return update(context, asker, groupId, row, form)
      fresh.push({ index, given: await secondaryToAdd(context, form, true) })
      return { outcome: 'written', deployStatus: 'secondary' }
    })
  }
  const added = await claimStandbyCopies(
    desk,
    asker,
    fresh.map(({ given }) => given),
    groupId,
  )
  for (const [at, { index }] of fresh.entries()) {
    const result = added[at]!
    outcomes[index] = result instanceof ApiError ? refused(result) : { outcome: 'written', deployStatus: result.deploy_status }
  }
  return outcomes
}

async function update(context: ApiContext, asker: Asker, groupId: number, row: SubcloudRow, form: Form): Promise<CopyOutcome> {
  if (!isStandby(row)) return { outcome: 'not-standby', deployStatus: row.deploy_status }
  const { region_name: _, ...fields } = form.content.fields
  const joins: Record<string, string> = row.peer_group_id === groupId ? {} : { peer_group: String(groupId) }
  const updated = await updateByForm(context, row, formOf({ fields: { ...fields, ...joins }, files: {} }), asker, true)
  return { outcome: 'written', deployStatus: updated.row.deploy_status }
}

/** What a request for this copy alone would have been answered. */
async function attempt({ site }: ApiContext, work: () => Promise<CopyOutcome>): Promise<CopyOutcome> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ApiError) return refused(error)
    site.world.log.error('a standby copy could not be written', { error })
    return { outcome: 'refused', status: 500, message: 'The copy could not be written for a reason of this site; its log has the details.' }
  }
}

const refused = (error: ApiError): CopyOutcome =>
  error.code === 'nameTaken' ? { outcome: 'name-taken' } : { outcome: 'refused', status: error.status, message: sentenceOf(error) }

function outcomeToWire(region: string, outcome: CopyOutcome): Static<typeof StandbyCopyOutcome> {
  const nothing = { 'deploy-status': null, status: null, message: null }
  const { outcome: what } = outcome
  if (what === 'refused') return { ...nothing, region_name: region, outcome: what, status: outcome.status, message: outcome.message }
  return { ...nothing, region_name: region, outcome: what, 'deploy-status': what === 'name-taken' ? null : outcome.deployStatus }
}
