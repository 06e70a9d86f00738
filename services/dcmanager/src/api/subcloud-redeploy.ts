import { errors } from '../errors.ts'
import { installValuesFor, shownInstallValues } from '../rules/install-values.ts'
import { requireRedeployable } from '../rules/management.ts'
import { redeployPhases } from '../rules/phases.ts'
import { claimFlow, type Asker, type Claimed } from '../store/claims.ts'
import { readDocuments } from '../store/documents.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { bmcAnswers } from '../work/bmc.ts'
import { subcloudToWire } from '../wire/subcloud.ts'
import type { ApiContext } from './context.ts'
import { withFileMembers } from './file-members.ts'
import type { Form } from './form.ts'
import { requireInstallImage } from './install-image.ts'
import { namesOf, RedeployForm } from './schemas.ts'
import { bmcPasswordOf, readValues, requireDeployFiles, requirePassword, requireQuietController } from './values.ts'

const answerOf = ({ row }: Claimed): string => JSON.stringify(subcloudToWire(row))

/** PATCH redeploy (reference dcmanager §1.7): installs, bootstraps and configures anew with what is stored or sent. */
export async function redeploySubcloud(context: ApiContext, row: SubcloudRow, sent: Form, asker: Asker): Promise<string> {
  const { desk } = context
  requireRedeployable(row)
  await requireQuietController(context, 'softwareBusy')
  const form = withFileMembers(sent, namesOf(RedeployForm))
  const sysadminPassword = requirePassword(form, 'sysadmin_password')
  const values = await readValues(context, form, {
    name: row.name,
    release: row.software_version,
    oamFamily: row.external_oam_subnet_ip_family,
  })
  const stored = await readDocuments(desk.database, desk.keyring, row.id)
  const install = (values.documents.install_values ?? stored.install_values) as Record<string, unknown> | undefined
  if (install === undefined) throw errors.installValuesMissing({}, { field: 'install_values' })
  if (values.bootstrap === undefined && stored.bootstrap_values === undefined)
    throw errors.bootstrapValuesMissing({}, { field: 'bootstrap_values' })
  const deployConfig = values.hasDeployConfig || stored.deploy_config !== undefined
  if (deployConfig) await requireDeployFiles(context, values.release)
  await requireInstallImage(context, values.release)

  const bmcPassword = bmcPasswordOf(form)
  const address = typeof install['bmc_address'] === 'string' ? install['bmc_address'] : ''
  if (!(await bmcAnswers(context.site.world, address))) throw errors.bmcUnreachable({ address, why: 'no answer below 400 within 3 s' })

  const claimed = await claimFlow(desk, asker, answerOf, row.id, {
    sysadminPassword,
    ...(values.network === undefined ? {} : { network: values.network }),
    decide(current, now) {
      requireRedeployable(current)
      const installValues = installValuesFor(values.documents.install_values ?? now.install_values, {
        release: values.release,
        bmcPassword,
      })
      return {
        documents: { ...values.documents, install_values: installValues },
        columns: {
          ...values.columns,
          data_install: shownInstallValues(installValues),
          software_version: values.release,
          deploy_status: 'pre-install',
          error_description: 'No errors present',
          first_identity_sync_complete: 0,
          initial_deployment: 1,
        },
        operation: 'subcloud.redeploy',
        phases: redeployPhases({ installValues: true, deployConfig: values.hasDeployConfig || now.deploy_config !== undefined }),
      }
    },
  })
  return answerOf(claimed)
}
