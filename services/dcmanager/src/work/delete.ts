import { json, type Transaction } from '@murmuration/data'
import { defineJob, type JobKind } from '@murmuration/jobs'
import type { DeleteInput } from '../rules/operations.ts'
import type { Schema } from '../store/schema.ts'
import { deleteSubcloud, readSubcloud } from '../store/subclouds.ts'
import { vaultFolderOf } from './credentials.ts'
import { retryOfFaults, withoutRetry } from './deploy.ts'
import { playbook, type OperationParts } from './operations.ts'
import { Expression } from './playbooks/documents.ts'
import { playbookLockOf } from './playbooks/run-playbook.ts'
import { changesTopic } from './topics.ts'

const deadlineMs = 60_000

/**
 * Reference dcmanager §4.10 "delete": the row first, with all that hangs on it, in one transaction; then what lies on this
 * machine. A stop in between is no orphan: the job goes on, and the repair sweep removes what has no row.
 */
export function deleteKind(parts: OperationParts): JobKind<DeleteInput, void> {
  const { world, bus } = parts.site
  const readers = bus.client(changesTopic)
  // Its alarms go when the state role looks, which a lost message only delays.
  const tell = (): void => void readers.changed({}).catch((error: unknown) => world.log.debug('a wake-up was not sent', { error }))
  return defineJob<DeleteInput, void>({
    name: 'subcloud.delete',
    concurrency: 8,
    retentionMs: 90 * 24 * 3_600_000,
    retry: retryOfFaults,
    run: (context) =>
      withoutRetry(async () => {
        const { subcloudId } = context.input
        const name = await context.step('delete.row', async () => {
          context.progress('delete: the record')
          const row = await readSubcloud(parts.database, subcloudId)
          await context.transaction(async (tx: Transaction<Schema>) => {
            if (await deleteSubcloud(tx, world, subcloudId)) tx.afterCommit(tell)
          })
          return row?.name ?? `subcloud-${subcloudId}`
        })
        await context.step('delete.files', async () => {
          context.progress('delete: files of this machine')
          await playbook(
            parts,
            context,
            { id: subcloudId, name },
            {
              stage: 'deleting',
              prompt: true,
              playbook: 'delete_subcloud.yml',
              files: {
                'inventory.yml': {
                  all: {
                    hosts: {
                      [name]: { ansible_connection: 'local', ansible_python_interpreter: new Expression('{{ ansible_playbook_python }}') },
                    },
                  },
                },
              },
              variables: () => ({
                region_name: context.input.regionName,
                subcloud_leftovers: [...leftoversOf(parts.site.config.varFolder, subcloudId)],
              }),
              secrets: {},
              deadlineMs,
            },
          )
        })
      }),
    settle: async (_tx, job, outcome) => {
      // The subcloud is gone for its users; what is left of it on disk goes with the next sweep.
      if (outcome.state !== 'done')
        world.log.warn('deleting a subcloud did not end well', { subcloudId: json.read<DeleteInput>(job.input as never).subcloudId })
    },
  })
}

/** What this machine keeps of a subcloud, by id. */
export const leftoversOf = (varFolder: string, subcloudId: number): readonly string[] => [
  vaultFolderOf(varFolder, subcloudId),
  `${varFolder}/vault/backups/${subcloudId}`,
  playbookLockOf(varFolder, subcloudId),
]
