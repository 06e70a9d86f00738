import { json } from '@murmuration/data'
import type { Secret } from '@murmuration/trust'
import { errors } from '../errors.ts'
import { nameProblem, reservedRegions } from '../rules/names.ts'
import type { FoundSite } from '../rules/found-sites.ts'
import { findSiteContext, findSiteKeyOf, type FindSiteInput } from '../rules/operations.ts'
import { enqueueOn, type Asker } from '../store/claims.ts'
import type { ApiContext } from './context.ts'
import { controllerNetwork } from './values.ts'

/**
 * The region of a subcloud that another system controller has deployed, read from its host by a manager (reference dcmanager §1.7
 * `migrate`). 400 when it can't be read, or can't be taken over from here.
 */
export async function foreignRegion(
  context: ApiContext,
  asker: Asker,
  host: { readonly bootstrapAddress: string; readonly siteAddress: string; readonly sysadminPassword: Secret },
): Promise<string> {
  const { desk } = context
  const { bootstrapAddress, siteAddress } = host
  const nonce = Buffer.from(context.site.world.random.bytes(12)).toString('hex')
  const input: FindSiteInput = {
    bootstrapAddress,
    siteAddress,
    sysadminPassword: desk.keyring.seal(host.sysadminPassword, findSiteContext(bootstrapAddress)),
  }
  const id = await desk.database.transaction((tx) => enqueueOn(desk, tx, asker, 'host.find-site', findSiteKeyOf(nonce), input))
  const [job] = await context.waitForJobs([id])
  const refuse = (why: string): never => {
    throw errors.siteUnknown({ address: bootstrapAddress, why }, { field: 'bootstrap-address' })
  }
  if (job?.state !== 'done')
    return refuse(job?.state === 'failed' ? (job.error ?? 'no reason was recorded') : 'nobody has answered in time')
  const { region } = json.read(job.outcome!) as FoundSite
  const ours = [...reservedRegions, ...(await controllerNetwork(context)).regions]
  if (ours.includes(region)) return refuse(`it is ${region}, a region of this system controller`)
  const problem = /^[0-9a-f]{32}$/i.test(region) ? undefined : nameProblem(region, 'subcloud')
  return problem === undefined ? region : refuse(`its region ${problem}`)
}
