import { errors, invalidField } from '../errors.ts'
import { addPhases } from '../rules/phases.ts'
import { nameProblem, reservedRegions } from '../rules/names.ts'
import { claimForeign, claimNewSubcloud, claimSecondary, type Asker, type Claimed, type NewSubcloud } from '../store/claims.ts'
import type { SubcloudToAdd } from '../store/new-subclouds.ts'
import { runningOperation } from '../store/operations.ts'
import { findSubcloud, readSubcloud, type SubcloudRow } from '../store/subclouds.ts'
import { subcloudToWire } from '../wire/subcloud.ts'
import type { App } from '@murmuration/http'
import { asMap } from '../rules/problems.ts'
import { accept } from './accept.ts'
import type { ApiContext } from './context.ts'
import { withFileMembers } from './file-members.ts'
import { foreignRegion } from './find-site.ts'
import { readForm, type Form } from './form.ts'
import { hasPeerPrivileges } from './peer-privileges.ts'
import { AddForm, formRoute, namesOf } from './schemas.ts'
import {
  controllerNetwork,
  readValues,
  refuseLater,
  requireDeployFiles,
  requirePassword,
  requireQuietController,
  type Values,
} from './values.ts'
import { requireInstallImage } from './install-image.ts'

/** POST subclouds and POST phased-subcloud-deploy (reference dcmanager §1.7, §1.8): the same request; the second only creates. */
export function addSubcloudRoutes(app: App, context: ApiContext): void {
  app.post('/v1.0/subclouds', formRoute('dc_api:subclouds:create', 'Add a subcloud', AddForm), async (request, reply) => {
    const form = await readForm(request, namesOf(AddForm))
    return accept(context.desk, request, reply, form.content, async (asker) => {
      const members = withFileMembers(form, namesOf(AddForm))
      if (members.has('secondary')) {
        const copy = await secondaryToAdd(context, form, await hasPeerPrivileges(context, request))
        return secondaryAnswer(await claimSecondary(context.desk, asker, secondaryAnswer, copy))
      }
      if (members.flag('migrate') === true) return addForeign(context, form, asker)
      const claimed = await claimNewSubcloud(context.desk, asker, answerOf, await newSubcloud(context, form, 'subcloud.add'))
      return answerOf(claimed)
    })
  })

  app.post(
    '/v1.0/phased-subcloud-deploy',
    formRoute('dc_api:phased_subcloud_deploy:create', 'Create a subcloud to be deployed phase by phase', AddForm),
    async (request, reply) => {
      const form = await readForm(request, namesOf(AddForm))
      const work = (asker: Asker): Promise<string> => create(context, form, asker)
      return accept(context.desk, request, reply, form.content, work, (kept) => created(context, kept))
    },
  )
}

const answerOf = ({ row }: Claimed): string => JSON.stringify(subcloudToWire(row))

/** Answers what the create phase came to; if that takes longer than a caller waits, what is true by then. */
async function create(context: ApiContext, form: Form, asker: Asker): Promise<string> {
  const { row, jobId } = await claimNewSubcloud(context.desk, asker, answerOf, await newSubcloud(context, form, 'subcloud.create'))
  await context.waitForJob(jobId)
  return JSON.stringify(subcloudToWire((await readSubcloud(context.desk.database, row.id)) ?? row))
}

const inCreatePhase: ReadonlySet<string> = new Set(['not-deployed', 'creating', 'create-complete', 'create-failed'])

/** A repeated request waits as the first one would have: its answer was kept when the subcloud was accepted. */
async function created(context: ApiContext, kept: string): Promise<string> {
  const { database } = context.desk
  const answer = JSON.parse(kept) as { readonly id: number }
  const running = await runningOperation(database, answer.id)
  if (running?.kind === 'subcloud.create') await context.waitForJob(running.id)
  const row = await readSubcloud(database, answer.id)
  if (row === undefined) return kept
  return JSON.stringify(inCreatePhase.has(row.deploy_status) ? subcloudToWire(row) : { ...answer, 'deploy-status': 'create-complete' })
}

/** All validation that needs no lock; nothing is written until the claim. */
async function newSubcloud(context: ApiContext, sent: Form, operation: NewSubcloud['operation']): Promise<NewSubcloud> {
  if (sent.names.length === 0) throw errors.bodyEmpty()
  await requireQuietController(context, 'softwareBusy')
  const form = withFileMembers(sent, namesOf(AddForm))
  refuseLater(form, ['secondary', 'migrate', 'enroll', 'cloud_init_config'])
  const sysadminPassword = operation === 'subcloud.add' ? requirePassword(form, 'sysadmin_password') : form.password('sysadmin_password')
  const values = await valuesToAdd(context, form)
  if (values.hasDeployConfig) await requireDeployFiles(context, values.release)
  if (values.hasInstallValues) await requireInstallImage(context, values.release)
  return {
    ...rowToAdd(form, values, newRegionName(context)),
    operation,
    phases:
      operation === 'subcloud.create'
        ? ['create']
        : addPhases({ installValues: values.hasInstallValues, deployConfig: values.hasDeployConfig }),
    sysadminPassword,
  }
}

/**
 * `secondary`, whatever its value, as peers send it (reference dcmanager §1.7): the copy of a subcloud that another site manages. No
 * password and no image, for nothing is done at the subcloud; its region is the one that it has. All validation that needs no lock.
 */
export async function secondaryToAdd(context: ApiContext, sent: Form, byPeer: boolean): Promise<SubcloudToAdd> {
  await requireQuietController(context, 'softwareBusy')
  const form = withFileMembers(sent, namesOf(AddForm))
  const foreign = form.has('deploy_config') ? 'deploy_config' : (['migrate', 'enroll'] as const).find((name) => form.flag(name) === true)
  if (foreign !== undefined) throw errors.secondaryWith({ member: foreign }, { field: foreign })
  const region = form.text('region_name')
  if (region === undefined) throw errors.secondaryRegionMissing({}, { field: 'region_name' })
  // Install values of a peer are those that its subcloud was installed with.
  const values = await valuesToAdd(context, form, byPeer)
  const problem = /^[0-9a-f]{32}$/i.test(region) ? undefined : nameProblem(region, 'subcloud')
  const ours = [...reservedRegions, ...(await controllerNetwork(context)).regions]
  if (problem !== undefined || ours.includes(region)) throw invalidField('region_name', problem ?? 'is a region of this system controller')
  return rowToAdd(form, values, region)
}

/**
 * `migrate` (reference dcmanager §1.7, §3.2 flow "add migrate"): a subcloud that another system controller has deployed. Its region is the
 * one that it has, and nothing is deployed: it is taken over.
 */
async function addForeign(context: ApiContext, sent: Form, asker: Asker): Promise<string> {
  await requireQuietController(context, 'softwareBusy')
  const form = withFileMembers(sent, namesOf(AddForm))
  const foreign = form.has('deploy_config') ? 'deploy_config' : (['enroll', 'on_site'] as const).find((name) => form.flag(name) === true)
  if (foreign !== undefined) throw errors.migrateWith({ member: foreign }, { field: foreign })
  const sysadminPassword = requirePassword(form, 'sysadmin_password')
  const own = asMap(form.yaml('bootstrap_values')?.value)?.['name']
  const given = form.text('name')
  if (given !== undefined && typeof own === 'string' && own !== given)
    throw errors.nameDiffers({ given: own, name: given }, { field: 'name' })
  const values = await valuesToAdd(context, form)
  const { name, network } = values.bootstrap!
  // What will be refused anyway is refused before its host is asked.
  if ((await findSubcloud(context.desk.database, name)) !== undefined) throw errors.nameTaken({ name }, { field: 'name' })
  const host = { bootstrapAddress: values.bootstrapAddress!, siteAddress: network.start, sysadminPassword }
  const region = await foreignRegion(context, asker, host)
  return answerOf(await claimForeign(context.desk, asker, answerOf, { ...rowToAdd(form, values, region), sysadminPassword }))
}

const secondaryAnswer = (row: SubcloudRow): string => JSON.stringify(subcloudToWire(row))

async function valuesToAdd(context: ApiContext, form: Form, trusted = false): Promise<Values> {
  if (!form.has('bootstrap_values')) throw errors.fileMissing({ file: 'bootstrap_values' }, { field: 'bootstrap_values' })
  const values = await readValues(context, form, { trusted })
  if (values.bootstrapAddress === undefined) throw errors.bootstrapAddressMissing({}, { field: 'bootstrap-address' })
  return values
}

function rowToAdd(form: Form, values: Values, regionName: string): SubcloudToAdd {
  const facts = values.bootstrap!
  return {
    columns: {
      name: facts.name,
      description: form.text('description') ?? facts.description ?? null,
      location: form.text('location') ?? facts.location ?? null,
      software_version: values.release,
      region_name: regionName,
      management_subnet: facts.network.subnet,
      management_start_ip: facts.network.start,
      management_end_ip: facts.network.end,
      management_gateway_ip: facts.network.gateway,
      systemcontroller_gateway_ip: facts.systemcontrollerGateway,
      external_oam_subnet_ip_family: facts.oam.family,
      data_install: values.columns.data_install ?? null,
      bootstrap_address: values.bootstrapAddress!,
    },
    groupId: groupIdOf(form),
    documents: values.documents,
    network: values.network!,
  }
}

/** Only ids here, as in the original; a name is another group's id away from a mistake. */
function groupIdOf(form: Form): string | undefined {
  const group = form.text('group_id')
  if (group !== undefined && !/^[0-9]{1,10}$/.test(group)) throw errors.groupInvalid({ group }, { field: 'group_id' })
  return group
}

/** 32 hex digits with a letter among them: all digits would read as an id. */
function newRegionName(context: ApiContext): string {
  for (;;) {
    const name = Buffer.from(context.site.world.random.bytes(16)).toString('hex')
    if (/[a-f]/.test(name)) return name
  }
}
