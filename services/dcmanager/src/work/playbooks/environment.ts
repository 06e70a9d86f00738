import type { Secret } from '@murmuration/trust'

export interface EnvironmentOptions {
  /** The private folder of the run. */
  readonly folder: string
  readonly configFile: string
  readonly pluginsFolder: string
  /** Held while a playbook works on the subcloud. */
  readonly lockFile: string
  readonly secrets: Readonly<Record<string, Secret>>
  readonly sshKeyFile: string | undefined
}

const secretName = /^SUBCLOUD_[A-Z_]+$/

/** All that ansible-playbook sees: nothing of our own environment, no user's or machine's configuration of Ansible. */
export function ansibleEnvironment(options: EnvironmentOptions): Record<string, string> {
  const { folder } = options
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    HOME: `${folder}/home`,
    TMPDIR: `${folder}/tmp`,
    PYTHONDONTWRITEBYTECODE: '1',
    PLAYBOOK_RUN_LOCK: options.lockFile,
    ANSIBLE_CONFIG: options.configFile,
    ANSIBLE_HOME: `${folder}/home`,
    ANSIBLE_LOCAL_TEMP: `${folder}/tmp`,
    ANSIBLE_STDOUT_CALLBACK: 'murmuration_events',
    ANSIBLE_CALLBACK_PLUGINS: options.pluginsFolder,
    ANSIBLE_INVENTORY_ENABLED: 'yaml',
    ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED: 'true',
    ANSIBLE_RETRY_FILES_ENABLED: 'false',
    ANSIBLE_PIPELINING: 'true',
    ANSIBLE_FORKS: '1',
    ANSIBLE_NOCOLOR: 'true',
    ANSIBLE_FORCE_COLOR: 'false',
    ANSIBLE_DEPRECATION_WARNINGS: 'false',
    ANSIBLE_LOCALHOST_WARNING: 'false',
    // Module arguments don't belong into the system log of the other machine.
    ANSIBLE_NO_TARGET_SYSLOG: 'true',
    // A freshly installed host has a new key every time; nothing is written to a file that would outlive the run.
    ANSIBLE_HOST_KEY_CHECKING: 'false',
    // A shared connection would outlive the run (and leave its process group).
    ANSIBLE_SSH_ARGS:
      '-o ControlMaster=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=30 -o ServerAliveInterval=15 -o LogLevel=ERROR',
    ...(options.sshKeyFile === undefined ? {} : { ANSIBLE_PRIVATE_KEY_FILE: options.sshKeyFile }),
    ...secretVariables(options.secrets),
  }
}

function secretVariables(secrets: Readonly<Record<string, Secret>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(secrets).map(([name, secret]) => {
      if (!secretName.test(name)) throw new Error(`${name} is no name for a secret's variable`)
      const value = secret.reveal()
      if (value.includes('\0')) throw new Error(`the value of ${name} holds a NUL character, which no environment can carry`)
      return [name, value]
    }),
  )
}
