import type { JobContext } from '@murmuration/jobs'
import { noError } from '../rules/error-description.ts'
import type { DeployStatus } from '../rules/lifecycle.ts'
import type { DeployInput, Phase } from '../rules/operations.ts'
import { epochOf, firstEpoch } from '../rules/ownership.ts'
import type { SubcloudColumns } from '../store/subclouds.ts'
import { installToken } from './image-server.ts'
import { runInstall } from './install.ts'
import { moveStatus, OperationRefused, subcloudOf, valuesOf, type OperationParts } from './operations.ts'
import { bootstrapAddressOf, readySite, runBootstrap, runConfigure } from './site-runs.ts'
import { installImage } from './vault.ts'

type DeployContext = JobContext<DeployInput>

/** What a phase has made of the subcloud when its work is done. */
export const endOf = {
  create: { from: 'creating', to: 'create-complete' },
  install: { from: 'installing', to: 'install-complete' },
  bootstrap: { from: 'bootstrapping', to: 'bootstrap-complete' },
  configure: { from: 'configuring', to: 'complete' },
  complete: { from: 'bootstrap-complete', to: 'complete' },
} as const satisfies Record<Phase, { readonly from: DeployStatus; readonly to: DeployStatus }>

/**
 * Each phase leads from a settled status to where `endOf` goes on; its steps may run again after a crash. The end of the last one is
 * written with the end of the operation, so that who sees it may ask for the next operation.
 */
export const phases: Readonly<Record<Phase, (parts: OperationParts, context: DeployContext) => Promise<void>>> = {
  async create(parts, context) {
    await begin(parts, context, 'create', ['not-deployed'], 'creating')
    await context.step('create.credentials', async () => {
      context.progress('create: certificate and passwords')
      await readySite(parts, await subcloudOf(parts, context.input.subcloudId))
    })
  },

  async install(parts, context) {
    await begin(parts, context, 'install', ['create-complete'], 'pre-install')
    const { subcloudId, release } = context.input
    await context.step('install.prepare', async () => {
      context.progress('install: image and BMC')
      await installImage(parts.site, release)
      if (Object.keys(await valuesOf(parts, subcloudId, 'install_values')).length === 0)
        throw new OperationRefused('There are no install values: send the file install_values with the request.')
    })
    await playing(parts, context, 'install', 'pre-install', 'installing')
    const token = await installToken(parts.site, context)
    await context.step('install.run', () => runInstall(parts, context, token))
  },

  async bootstrap(parts, context) {
    await begin(parts, context, 'bootstrap', ['create-complete', 'install-complete'], 'pre-bootstrap')
    const prepared = await context.step('bootstrap.prepare', async () => {
      context.progress('bootstrap: certificate and passwords')
      const row = await subcloudOf(parts, context.input.subcloudId)
      bootstrapAddressOf(row)
      await readySite(parts, row)
      return { epoch: epochOf(row) }
    })
    // The playbook claims the site under it before it changes anything. (A step that an earlier version recorded says nothing of it.)
    const epoch = (prepared as typeof prepared | null)?.epoch ?? firstEpoch
    await playing(parts, context, 'bootstrap', 'pre-bootstrap', 'bootstrapping', { owner_epoch: epoch, fenced_by: null })
    await context.step('bootstrap.run', () => runBootstrap(parts, context))
  },

  async configure(parts, context) {
    await begin(parts, context, 'configure', ['bootstrap-complete'], 'pre-config')
    await playing(parts, context, 'configure', 'pre-config', 'configuring')
    await context.step('configure.run', () => runConfigure(parts, context))
  },

  /** Nothing to do but to say so. */
  async complete() {},
}

/** The first status of a phase. The API has written it already where the phase is the first one of the operation. */
const begin = (
  parts: OperationParts,
  context: DeployContext,
  phase: Phase,
  from: readonly DeployStatus[],
  to: DeployStatus,
): Promise<void> => context.step(`${phase}.begin`, () => moveStatus(parts, context, from, to, { error_description: noError }))

const playing = (
  parts: OperationParts,
  context: DeployContext,
  phase: Phase,
  from: DeployStatus,
  to: DeployStatus,
  columns: SubcloudColumns = {},
): Promise<void> => context.step(`${phase}.playing`, () => moveStatus(parts, context, [from], to, columns))

/** The status between two phases of one operation. */
export const endPhase = (parts: OperationParts, context: DeployContext, phase: Phase): Promise<void> =>
  context.step(`${phase}.end`, () => moveStatus(parts, context, [endOf[phase].from], endOf[phase].to))
