import type { JobContext } from '@murmuration/jobs'
import { noError } from '../rules/error-description.ts'
import type { DeployStatus } from '../rules/lifecycle.ts'
import type { DeployInput, Phase } from '../rules/operations.ts'
import { runInstall } from './install.ts'
import { moveStatus, OperationRefused, subcloudOf, valuesOf, type OperationParts } from './operations.ts'
import { bootstrapAddressOf, readySite, runBootstrap, runConfigure } from './site-runs.ts'
import { installImage } from './vault.ts'

type DeployContext = JobContext<DeployInput>

/** Each phase leads from a settled status to the next one; its steps may run again after a crash. */
export const phases: Readonly<Record<Phase, (parts: OperationParts, context: DeployContext) => Promise<void>>> = {
  async create(parts, context) {
    await begin(parts, context, 'create', ['not-deployed'], 'creating')
    await context.step('create.credentials', async () => {
      context.progress('create: certificate and passwords')
      await readySite(parts, await subcloudOf(parts, context.input.subcloudId))
    })
    await end(parts, context, 'create', 'creating', 'create-complete')
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
    await context.step('install.run', () => runInstall(parts, context))
    await end(parts, context, 'install', 'installing', 'install-complete')
  },

  async bootstrap(parts, context) {
    await begin(parts, context, 'bootstrap', ['create-complete', 'install-complete'], 'pre-bootstrap')
    await context.step('bootstrap.prepare', async () => {
      context.progress('bootstrap: certificate and passwords')
      const row = await subcloudOf(parts, context.input.subcloudId)
      bootstrapAddressOf(row)
      await readySite(parts, row)
    })
    await playing(parts, context, 'bootstrap', 'pre-bootstrap', 'bootstrapping')
    await context.step('bootstrap.run', () => runBootstrap(parts, context))
    await end(parts, context, 'bootstrap', 'bootstrapping', 'bootstrap-complete')
  },

  async configure(parts, context) {
    await begin(parts, context, 'configure', ['bootstrap-complete'], 'pre-config')
    await playing(parts, context, 'configure', 'pre-config', 'configuring')
    await context.step('configure.run', () => runConfigure(parts, context))
    await end(parts, context, 'configure', 'configuring', 'complete')
  },

  async complete(parts, context) {
    await end(parts, context, 'complete', 'bootstrap-complete', 'complete')
  },
}

/** The first status of a phase. The API has written it already where the phase is the first one of the operation. */
const begin = (
  parts: OperationParts,
  context: DeployContext,
  phase: Phase,
  from: readonly DeployStatus[],
  to: DeployStatus,
): Promise<void> => context.step(`${phase}.begin`, () => moveStatus(parts, context, from, to, { error_description: noError }))

const playing = (parts: OperationParts, context: DeployContext, phase: Phase, from: DeployStatus, to: DeployStatus): Promise<void> =>
  context.step(`${phase}.playing`, () => moveStatus(parts, context, [from], to))

const end = (parts: OperationParts, context: DeployContext, phase: Phase, from: DeployStatus, to: DeployStatus): Promise<void> =>
  context.step(`${phase}.end`, () => moveStatus(parts, context, [from], to))
