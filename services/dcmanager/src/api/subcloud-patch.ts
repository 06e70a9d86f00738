import { ApiError, type App } from '@murmuration/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type, type TObject } from 'typebox'
import { errors } from '../errors.ts'
import { claim, type Asker } from '../store/claims.ts'
import { applyEndpointStatus } from '../store/statuses.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { accept } from './accept.ts'
import type { ApiContext } from './context.ts'
import { readForm, type Form } from './form.ts'
import { hasPeerPrivileges } from './peer-privileges.ts'
import { bound, subcloudOf } from './refs.ts'
import { formRoute, namesOf, RedeployForm, Subcloud, UpdateForm, UpdateStatus } from './schemas.ts'
import { redeploySubcloud } from './subcloud-redeploy.ts'
import { updateSubcloudByForm } from './subcloud-update.ts'

type Run = (context: ApiContext, row: SubcloudRow, form: Form, asker: Asker) => Promise<string>

/** Verbs of PATCH subclouds; `gone` ones answer 410 (reference dcmanager §1.6 rows 7–12). */
const verbs: Readonly<Record<string, { readonly form: TObject; readonly run: Run } | { readonly gone: string }>> = {
  redeploy: { form: RedeployForm, run: redeploySubcloud },
  update_status: { form: UpdateStatus, run: updateStatus },
  prestage: {
    form: Type.Object({}),
    run: () => {
      throw errors.verbUnavailable({ verb: 'prestage' })
    },
  },
  restore: { gone: 'PATCH /v1.0/subcloud-backup/restore' },
  reconfigure: { gone: 'PATCH /v1.0/phased-subcloud-deploy/{subcloud_ref}/configure' },
  reinstall: { gone: 'PATCH /v1.0/subclouds/{subcloud_ref}/redeploy' },
}

const modify = 'dc_api:subclouds:modify'
const manage = 'dc_api:subclouds:manage_unmanage'

export function patchSubcloudRoutes(app: App, context: ApiContext): void {
  app.patch(
    '/v1.0/subclouds/:subcloud_ref',
    formRoute('in-handler', 'Update, manage or unmanage a subcloud', UpdateForm),
    (request, reply) => patch(context, request, reply),
  )
  for (const verb of ['redeploy', 'update_status'] as const) {
    const { form } = verbs[verb] as { form: TObject }
    const answer = verb === 'redeploy' ? Subcloud : Type.Object({ result: Type.String() })
    app.patch(`/v1.0/subclouds/:subcloud_ref/${verb}`, formRoute(modify, `Subcloud: ${verb}`, form, answer), (request, reply) =>
      patch(context, request, reply, verb),
    )
  }
  for (const path of ['', '/:subcloud_ref/:verb'])
    app.patch(
      `/v1.0/subclouds${path}`,
      { ...formRoute('in-handler', 'Update a subcloud', UpdateForm), schema: { hide: true } },
      (request, reply) => patch(context, request, reply),
    )
}

async function patch(context: ApiContext, request: FastifyRequest, reply: FastifyReply, pathVerb?: string): Promise<FastifyReply> {
  const early = pathVerb ?? bound(request, 'verb')
  // Nobody's body is read who may do neither.
  if (early === undefined) authorizeEither(request)
  else request.authorize(modify)

  const known = early === undefined ? undefined : ownVerb(early)
  if (known !== undefined && 'gone' in known) {
    // Whatever the body is.
    await subcloudOf(context.desk, request)
    throw errors.verbGone({ verb: early!, instead: known.gone })
  }
  const form = await readForm(request, known !== undefined && 'form' in known ? [...namesOf(known.form), ...extra(early)] : everyName)
  const name = early ?? form.text('verb')
  if (name === undefined) return update(context, request, reply, form)

  request.authorize(modify)
  return accept(context.desk, request, reply, form.content, async (asker) => {
    const row = await subcloudOf(context.desk, request, form.text('subcloud_ref'))
    const verb = ownVerb(name)
    if (verb === undefined) throw errors.unknownVerb({ verb: name.slice(0, 64), known: Object.keys(verbs).join(', ') })
    if ('gone' in verb) throw errors.verbGone({ verb: name, instead: verb.gone })
    if (name !== 'prestage') requireKnown(form, namesOf(verb.form), name)
    return verb.run(context, row, form, asker)
  })
}

/** What later verbs take is let in, so that the answer speaks of the verb and not of its members. */
const extra = (verb: string | undefined): readonly string[] => (verb === 'prestage' ? prestageNames : [])
const prestageNames = ['sysadmin_password', 'force', 'for_install', 'for_sw_deploy', 'release', 'subcloud_ref', 'verb']
const everyName = [...new Set([UpdateForm, RedeployForm, UpdateStatus].flatMap(namesOf)), ...prestageNames]

const ownVerb = (name: string) => (Object.hasOwn(verbs, name) ? verbs[name] : undefined)

async function update(context: ApiContext, request: FastifyRequest, reply: FastifyReply, form: Form): Promise<FastifyReply> {
  // A request to manage needs the operators' right; whatever else stands in it needs the right to modify too.
  const onlyManages = form.names.every((name) => onlyManaging.has(name))
  if (form.has('management-state')) request.authorize(manage)
  if (!onlyManages || !form.has('management-state')) request.authorize(modify)
  requireKnown(form, namesOf(UpdateForm), 'update')
  return accept(context.desk, request, reply, form.content, async (asker) => {
    const row = await subcloudOf(context.desk, request, form.text('subcloud_ref'))
    return updateSubcloudByForm(context, row, form, asker, await hasPeerPrivileges(context, request))
  })
}

/** `migrate` goes with unmanage: who may take a subcloud out of management may say for whom. */
const onlyManaging: ReadonlySet<string> = new Set(['management-state', 'force', 'migrate', 'subcloud_ref', 'verb'])

function authorizeEither(request: FastifyRequest): void {
  try {
    request.authorize(manage)
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 403) throw error
    request.authorize(modify)
  }
}

function requireKnown(form: Form, known: readonly string[], verb: string): void {
  const unknown = form.names.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw errors.memberUnknown({ verb, members: unknown.join(', '), known: known.join(', ') }, { field: unknown[0]! })
}

/** PATCH update_status, sent by cert-mon (reference §1.7). */
async function updateStatus(context: ApiContext, row: SubcloudRow, form: Form, asker: Asker): Promise<string> {
  if (form.names.length === 0) throw errors.bodyEmpty()
  const endpoint = oneOf(form, 'endpoint', ['dc-cert'] as const)
  const status = oneOf(form, 'status', ['in-sync', 'out-of-sync', 'unknown'] as const)
  const answer = '{"result":"OK"}'
  await claim(
    context.desk,
    asker,
    () => answer,
    async (tx) => {
      const changed = await applyEndpointStatus(tx, context.desk.world, { subcloudId: row.id, endpoint, status })
      if (changed === undefined) throw errors.subcloudNotFound()
    },
  )
  return answer
}

function oneOf<T extends string>(form: Form, field: string, allowed: readonly T[]): T {
  const given = form.text(field)
  const found = allowed.find((each) => each === given)
  if (found === undefined) throw errors.updateStatusInvalid({ field, value: given ?? 'none', allowed: allowed.join(', ') }, { field })
  return found
}
