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
    ...sshArguments(folder),
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

/** A socket's path has at most 108 bytes, and ssh adds a suffix while it makes one. */
const longestControlPath = 85

/**
 * One connection for all tasks where its socket fits into the run's folder: a task takes several exchanges. It closes by itself
 * 10 s after the last of them, and nobody else can use it, since the folder is private and gone by then.
 */
function sshArguments(folder: string): Record<string, string> {
  const socket = `${folder}/c`
  const shared = socket.length <= longestControlPath
  return {
    ANSIBLE_SSH_ARGS: [
      ...(shared ? ['ControlMaster=auto', 'ControlPersist=10s'] : ['ControlMaster=no']),
      'UserKnownHostsFile=/dev/null',
      'ConnectTimeout=30',
      'ServerAliveInterval=15',
      'LogLevel=ERROR',
    ]
      .map((option) => `-o ${option}`)
      .join(' '),
    ...(shared ? { ANSIBLE_SSH_CONTROL_PATH: socket } : {}),
  }
}
