import { json, type Transaction } from '@murmuration/data'
import { defineJob, type JobKind } from '@murmuration/jobs'
import type { ReconfigureNetworkInput } from '../rules/operations.ts'
import { noError } from '../rules/error-description.ts'
import { adoptNetwork, releaseReserved } from '../store/networks.ts'
import type { Schema } from '../store/schema.ts'
import { retryOfFaults, withoutRetry } from './deploy.ts'
import { subcloudOf, sysadminPasswordOf, type OperationParts } from './operations.ts'
import { settleSubcloud } from './settle.ts'
import { runNetworkUpdate } from './site-runs.ts'

/**
 * Reference dcmanager §4.10 "network reconfig": the playbook moves the site, then the row follows. When it fails, the row keeps the
 * old addresses and the reservation of the new ones is given back.
 */
export const reconfigureNetworkKind = (parts: OperationParts): JobKind<ReconfigureNetworkInput, void> =>
  defineJob<ReconfigureNetworkInput, void>({
    name: 'subcloud.reconfigure-network',
    concurrency: 8,
    retentionMs: 90 * 24 * 3_600_000,
    retry: retryOfFaults,
    run: (context) =>
      withoutRetry(async () => {
        const { input } = context
        const network = {
          management_subnet: input.managementSubnet,
          management_start_ip: input.managementStartIp,
          management_end_ip: input.managementEndIp,
          management_gateway_ip: input.managementGatewayIp,
        }
        await context.step('network.run', async () => {
          const row = await subcloudOf(parts, input.subcloudId)
          const sysadminPassword = sysadminPasswordOf(parts, row.id, input.sysadminPassword)
          await runNetworkUpdate(parts, context, row, { network, bootstrapAddress: input.bootstrapAddress, sysadminPassword })
        })
      }),
    settle: async (tx: Transaction<Schema>, job, outcome, world) => {
      const input = json.read<ReconfigureNetworkInput>(job.input as never)
      if (outcome.state === 'done') {
        // With the end of the operation, so that who sees the new addresses finds the subcloud free.
        const network = {
          subnet: input.managementSubnet,
          start: input.managementStartIp,
          end: input.managementEndIp,
          gateway: input.managementGatewayIp,
        }
        const columns = { deploy_status: 'complete', bootstrap_address: input.bootstrapAddress, error_description: noError } as const
        if (
          await adoptNetwork(tx, { world, keyring: parts.site.keyring }, input.subcloudId, network, columns, {
            deployStatus: 'reconfiguring-network',
          })
        )
          return
      }
      await releaseReserved(tx, [input.subcloudId])
      await settleSubcloud(tx, world, input.subcloudId, outcome)
    },
  })
