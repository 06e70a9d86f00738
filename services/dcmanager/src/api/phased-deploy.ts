import type { Transaction } from '@murmuration/data'
import type { App } from '@murmuration/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import { installValuesFor, shownInstallValues } from '../rules/install-values.ts'
import { firstStatusOf, type PhasedVerb } from '../rules/lifecycle.ts'
import { requireResting, requireVerb } from '../rules/management.ts'
import { resumablePhases, resumePhases } from '../rules/phases.ts'
import {
  claim,
  claimAbort,
  claimFlow,
  requireNoOperation,
  requireRow,
  write,
  type Asker,
  type Claimed,
  type Decision,
} from '../store/claims.ts'
import type { Documents } from '../store/documents.ts'
import { readPeerGroup } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { subcloudToWire } from '../wire/subcloud.ts'
import { accept } from './accept.ts'
import type { ApiContext } from './context.ts'
import { withFileMembers } from './file-members.ts'
import { readForm, type Form } from './form.ts'
import { requireInstallImage } from './install-image.ts'
import { bound, subcloudOf } from './refs.ts'
import { formRoute, namesOf, PhaseForm } from './schemas.ts'
import { bmcPasswordOf, readValues, requireDeployFiles, requirePassword, requireQuietController, type Values } from './values.ts'

const verbs = ['install', 'bootstrap', 'configure', 'complete', 'abort', 'resume', 'enroll'] as const satisfies readonly PhasedVerb[]
const policy = 'dc_api:phased_subcloud_deploy:modify'

/** PATCH phased-subcloud-deploy (reference dcmanager §1.8). */
export function phasedDeployRoutes(app: App, context: ApiContext): void {
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const form = await readForm(request, namesOf(PhaseForm))
    const verb = bound(request, 'verb', form.text('verb'))
    if (verb === undefined || !(verbs as readonly string[]).includes(verb))
      throw errors.unknownVerb({ verb: verb?.slice(0, 64) ?? '', known: verbs.join(', ') })
    return accept(context.desk, request, reply, form.content, async (asker) => {
      const row = await subcloudOf(context.desk, request, form.text('subcloud_ref'))
      return run(context, verb as PhasedVerb, row, form, asker)
    })
  }
  for (const verb of verbs)
    app.patch(
      `/v1.0/phased-subcloud-deploy/:subcloud_ref/${verb}`,
      formRoute(policy, `Phased deployment: ${verb}`, PhaseForm),
      (request, reply) => handler(withVerb(request, verb), reply),
    )
  // Verbs that do not exist, and the form of the published document of the original: names bound from the query or the body.
  for (const path of ['', '/:subcloud_ref', '/:subcloud_ref/:verb'])
    app.patch(
      `/v1.0/phased-subcloud-deploy${path}`,
      { ...formRoute(policy, 'Phased deployment', PhaseForm), schema: { hide: true } },
      handler,
    )
}

/** The static last segment is the verb. */
function withVerb(request: FastifyRequest, verb: PhasedVerb): FastifyRequest {
  ;(request.params as Record<string, string>)['verb'] = verb
  return request
}

const answerOf = ({ row }: Claimed): string => JSON.stringify(subcloudToWire(row))

async function run(context: ApiContext, verb: PhasedVerb, row: SubcloudRow, form: Form, asker: Asker): Promise<string> {
  switch (verb) {
    case 'enroll':
      throw errors.verbUnavailable({ verb })
    case 'complete':
      return complete(context, row, asker)
    case 'abort': {
      // No body matters, and the original wants none.
      const wire = (aborted: SubcloudRow): string => JSON.stringify(subcloudToWire(aborted))
      return wire(await claimAbort(context.desk, asker, wire, row.id))
    }
    case 'install':
    case 'bootstrap':
    case 'configure':
    case 'resume':
      return runPhases(context, verb, row, form, asker)
  }
}

function complete(context: ApiContext, { id }: SubcloudRow, asker: Asker): Promise<string> {
  const { desk } = context
  const wire = (row: SubcloudRow): string => JSON.stringify(subcloudToWire(row))
  return claim(desk, asker, wire, async (tx) => {
    const row = await requireRow(tx, id)
    requireVerb(row, 'complete')
    // Between two phases of a running operation the status allows it, but the operation has more to do.
    await requireNoOperation(tx, id)
    return write(desk, tx, row, { deploy_status: 'complete', error_description: 'No errors present' })
  }).then(wire)
}

/** A member is configured where its group is owned (reference §1.8, §7.11). */
async function requireConfigurable(tx: Transaction<Schema>, row: SubcloudRow): Promise<void> {
  const group = row.peer_group_id === null ? undefined : await readPeerGroup(tx, row.peer_group_id)
  if (group !== undefined && group.group_priority > 0) throw errors.memberConfigure({ group: group.peer_group_name })
}

async function runPhases(
  context: ApiContext,
  verb: 'install' | 'bootstrap' | 'configure' | 'resume',
  row: SubcloudRow,
  sent: Form,
  asker: Asker,
): Promise<string> {
  // Told first, since it needs no file to be right; asked again where it counts, in the claim.
  requireVerb(row, verb)
  if (verb !== 'configure') await requireQuietController(context, verb === 'install' ? 'softwareBusy' : 'softwareBusyLate')
  refuseForeignFiles(verb, row, sent)
  const form = withFileMembers(sent, namesOf(PhaseForm))
  const willInstall = verb === 'install' || (verb === 'resume' && resumesWithInstall(row, form))
  const values = await readValues(context, willInstall ? form : withoutRelease(form), {
    name: row.name,
    release: row.software_version,
    oamFamily: row.external_oam_subnet_ip_family,
  })
  const needsPassword = verb === 'bootstrap' || (verb === 'resume' && resumablePhases(row.deploy_status).includes('bootstrap'))
  const sysadminPassword = needsPassword ? requirePassword(form, 'sysadmin_password') : form.password('sysadmin_password')
  const bmcPassword = bmcPasswordOf(form)
  if (willInstall) await requireInstallImage(context, values.release)
  if (values.hasDeployConfig || verb === 'configure') await requireDeployFiles(context, values.release)
  const claimed = await claimFlow(context.desk, asker, answerOf, row.id, {
    sysadminPassword,
    ...(values.network === undefined ? {} : { network: values.network }),
    require: async (tx, current) => {
      if (verb === 'configure') await requireConfigurable(tx, current)
    },
    decide: (current, stored) => decide(verb, current, stored, values, bmcPassword),
  })
  return answerOf(claimed)
}

/** Without install values there is nothing to install with: the phase is left out. */
const resumesWithInstall = (row: SubcloudRow, form: Form): boolean =>
  resumablePhases(row.deploy_status).includes('install') && (form.has('install_values') || row.data_install !== null)

/** Pure: what the request does to the row as it is now. */
function decide(
  verb: 'install' | 'bootstrap' | 'configure' | 'resume',
  row: SubcloudRow,
  stored: Documents,
  values: Values,
  bmcPassword: string | undefined,
): Decision {
  requireVerb(row, verb)
  requireResting(row)
  const install = values.documents.install_values ?? stored.install_values
  const given = {
    installValues: install !== undefined,
    deployConfig: values.hasDeployConfig || stored.deploy_config !== undefined,
  }
  const phases = verb === 'resume' ? resumePhases(row.deploy_status, given) : ([verb] as const)
  if (phases === undefined || (verb === 'configure' && !given.deployConfig))
    throw errors.deployConfigMissing({}, { field: 'deploy_config' })
  if (verb === 'install' && !given.installValues) throw errors.installValuesMissing({}, { field: 'install_values' })
  const address = values.bootstrapAddress ?? row.bootstrap_address ?? addressIn(install)
  if (phases.includes('bootstrap')) {
    if (values.bootstrap === undefined && stored.bootstrap_values === undefined)
      throw errors.bootstrapValuesMissing({}, { field: 'bootstrap_values' })
    if (address === undefined) throw errors.bootstrapAddressMissing({}, { field: 'bootstrap-address' })
  }
  const installs = phases.includes('install') ? installValuesFor(install, { release: values.release, bmcPassword }) : undefined
  return {
    columns: {
      ...values.columns,
      ...(address === undefined ? {} : { bootstrap_address: address }),
      ...(installs === undefined ? {} : { software_version: values.release, data_install: shownInstallValues(installs) }),
      deploy_status: firstStatusOf[phases[0]!],
      error_description: 'No errors present',
      // Aborting is for a first deployment; a resume goes on with one.
      ...(verb === 'resume' ? { initial_deployment: 1 } : {}),
    },
    documents: { ...values.documents, ...(installs === undefined ? {} : { install_values: installs }) },
    operation: `subcloud.${verb}`,
    phases,
  }
}

function addressIn(installValues: unknown): string | undefined {
  const address = (installValues as Readonly<Record<string, unknown>> | undefined)?.['bootstrap_address']
  return typeof address === 'string' ? address : undefined
}

/** A file for a phase that is done, or that this verb does not run, would be stored and never read. */
function refuseForeignFiles(verb: PhasedVerb, row: SubcloudRow, form: Form): void {
  const phases = verb === 'resume' ? resumablePhases(row.deploy_status) : [verb]
  for (const [file, phase] of [
    ['install_values', 'install'],
    ['bootstrap_values', 'bootstrap'],
    ['deploy_config', 'configure'],
  ] as const)
    if (form.has(file) && !(phases as readonly string[]).includes(phase))
      throw errors.phaseDone({ file, status: row.deploy_status }, { field: file })
}

const withoutRelease = (form: Form): Form => ({
  ...form,
  text: (name, maxLength) => (name === 'release' ? undefined : form.text(name, maxLength)),
})
