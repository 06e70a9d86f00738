import type { SiteConfig } from '@murmuration/site'
import type { SubcloudRow } from '../store/subclouds.ts'
import { Expression, fromEnvironment, type AnsibleValue } from './playbooks/documents.ts'

/**
 * The inventory's name of a subcloud, and what `--limit` gets. The subcloud's name as in the reference, except where Ansible
 * would read something else into it: a group of its own, a negation, a pattern.
 */
export function inventoryHostOf(row: Pick<SubcloudRow, 'id' | 'name'>): string {
  const plain = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(row.name) && !['all', 'ungrouped', 'localhost'].includes(row.name)
  return plain ? row.name : `subcloud-${row.id}`
}

/** Reference dcmanager §4.1 "Inventory". Passwords are named, not written: Ansible takes them from its environment. */
export function inventoryOf(
  config: Pick<SiteConfig, 'playbooks'>,
  row: Pick<SubcloudRow, 'id' | 'name' | 'initial_deployment'>,
  address: string,
): AnsibleValue {
  const { connection, sshUser, sshPort, sshKeyFile } = config.playbooks
  const how: Record<string, AnsibleValue> =
    connection === 'local'
      ? { ansible_connection: 'local', ansible_python_interpreter: new Expression('{{ ansible_playbook_python }}') }
      : {
          ansible_connection: 'ssh',
          ansible_user: sshUser,
          ansible_port: sshPort,
          ansible_python_interpreter: '/usr/bin/python3',
          ...(sshKeyFile === undefined ? { ansible_ssh_pass: fromEnvironment('SUBCLOUD_SYSADMIN_PASSWORD') } : {}),
        }
  return {
    all: {
      vars: {
        ...how,
        ansible_become_pass: fromEnvironment('SUBCLOUD_SYSADMIN_PASSWORD'),
        initial_deployment: row.initial_deployment === 1,
      },
      hosts: { [inventoryHostOf(row)]: { ansible_host: address } },
    },
  }
}
