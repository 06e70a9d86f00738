import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ProcessExit, ProcessSpec } from '@murmuration/world'

/** What the playbooks of backups do, as far as the manager sees it: an archive comes, its description is left, archives go. */
export async function backupScript(playbook: string, spec: ProcessSpec, content = 'an archive'): Promise<Partial<ProcessExit> | void> {
  const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(`${spec.cwd}/${name}`, 'utf8'))
  if (playbook === 'create_subcloud_backup.yml') {
    const { backup_central_file: file } = (await read('backup_values.yml')) as { backup_central_file?: string }
    if (file !== undefined) {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, content)
    }
    const { backup_result_file: result } = (await read('variables.json')) as { backup_result_file: string }
    const sha256 = createHash('sha256').update(content).digest('hex')
    await writeFile(result, JSON.stringify({ path: file, bytes: content.length, sha256, region: 'r' }))
  }
  if (playbook === 'delete_subcloud_backup.yml') {
    const values = (await read('backup_values.yml')) as { central_backup_dir?: string; software_version: string }
    if (values.central_backup_dir !== undefined)
      await rm(`${values.central_backup_dir}/${values.software_version}`, { recursive: true, force: true })
  }
}
