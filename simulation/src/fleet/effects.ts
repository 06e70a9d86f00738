import type { Reader } from '../check/reader.ts'
import type { Fleet } from './fleet.ts'
import { networkCount, networkOf, siteAt } from './places.ts'
import type { PlaybookRun } from './playbooks.ts'

/** What a playbook that came to a good end did to its site. */
export function effectOn(fleet: Fleet, reader: Reader, run: PlaybookRun): void {
  const row = reader.subcloud(run.subcloudId)
  if (row === undefined) return
  const site = fleet.site(siteAt(row.management_start_ip))
  const at = (address: string): void => {
    const network = Array.from({ length: networkCount }, (_, index) => index).find((index) => networkOf(site.site, index).start === address)
    if (network !== undefined) site.deploy(network)
  }
  if (run.playbook === 'install') site.wipe()
  if (run.playbook === 'bootstrap' || run.playbook === 'restore_subcloud_backup') at(row.management_start_ip)
  if (run.playbook === 'update_subcloud')
    at(String((JSON.parse(reader.jobInput(run.jobId)) as { managementStartIp?: string }).managementStartIp))
}
