// The first thing that runs on a fresh machine, so it is plain JavaScript for any Node >= 20 and needs nothing installed.
// It installs what is missing and says what it does; where it may not, it says exactly what to install and stops.
import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Debian packages by what they are for; a package counts as there when one of its commands is found. */
const systemPackages = {
  start: [{ package: 'ansible-core', commands: ['ansible-playbook'] }],
  test: [
    { package: 'ansible-core', commands: ['ansible-playbook'] },
    { package: 'postgresql', commands: ['postgres'] },
    { package: 'nats-server', commands: ['nats-server'] },
    { package: 'redis-server', commands: ['redis-server'] },
    { package: 'openssh-server', commands: ['sshd'] },
    { package: 'openssh-client', commands: ['ssh', 'ssh-keygen'] },
    { package: 'sshpass', commands: ['sshpass'] },
    { package: 'curl', commands: ['curl'] },
    { package: 'qemu-utils', commands: ['qemu-img'] },
    { package: 'xorriso', commands: ['xorriso'] },
    { package: 'python3-glanceclient', commands: ['/usr/bin/glance'] },
    { package: 'python3-openstackclient', commands: ['/usr/bin/openstack'] },
  ],
}

/** Folders that are searched besides PATH: servers of Debian's packages are not on a user's PATH. */
function searchFolders() {
  const postgres = '/usr/lib/postgresql'
  const versions = existsSync(postgres) ? readdirSync(postgres).map((version) => join(postgres, version, 'bin')) : []
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin', ...versions].filter(Boolean)
}

function found(command) {
  const candidates = command.startsWith('/') ? [command] : searchFolders().map((folder) => join(folder, command))
  return candidates.some((path) => {
    try {
      accessSync(path, constants.X_OK)
      return statSync(path).isFile()
    } catch {
      return false
    }
  })
}

function stop(lines) {
  for (const line of lines) process.stderr.write(`${line}\n`)
  process.exit(1)
}

function checkNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) stop([`Node ${process.versions.node} is too old: install Node 20 or later and run the same command again.`])
}

function installNodeModules() {
  const lock = join(root, 'package-lock.json')
  const installed = join(root, 'node_modules', '.package-lock.json')
  const node = join(root, 'node_modules', '.bin', 'node')
  if (existsSync(installed) && existsSync(node) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  process.stderr.write('Installing the Node packages (once) …\n')
  // npm's own warnings about the shell's older Node are silenced: everything runs on the pinned one afterwards.
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (result.error) stop([`npm could not be started (${result.error.message}): install npm and run the same command again.`])
  if (result.status !== 0) stop(['npm ci failed; its words are above. Mend that and run the same command again.'])
}

function installSystemPackages(purpose) {
  const missing = systemPackages[purpose].filter((entry) => !entry.commands.every(found)).map((entry) => entry.package)
  if (missing.length === 0) return
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  const cannot = (why) =>
    stop([`These Debian packages are needed: ${missing.join(' ')}`, why, `Run as root:  apt-get update && ${command}`])
  if (!found('apt-get')) cannot('This system has no apt-get; install the same programs with its own package manager.')
  const isRoot = process.getuid?.() === 0
  const sudo = !isRoot && found('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
  if (!isRoot && !sudo) cannot('They can not be installed from here: you are not root and sudo asks for a password.')
  process.stderr.write(`Installing system packages (once): ${missing.join(' ')} …\n`)
  const run = (args) =>
    spawnSync(isRoot ? args[0] : 'sudo', isRoot ? args.slice(1) : ['-n', 'env', 'DEBIAN_FRONTEND=noninteractive', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'inherit'],
    }).status === 0
  // A server package would otherwise start its daemon on the default port; the tests start private instances.
  if (!run(['apt-get', 'update', '-qq'])) cannot('apt-get update failed; its words are above.')
  if (!run(command.replace('install', '-qq install').split(' '))) cannot('apt-get install failed; its words are above.')
  const still = systemPackages[purpose].filter((entry) => !entry.commands.every(found))
  if (still.length > 0) cannot(`After installing, still not found: ${still.flatMap((entry) => entry.commands).join(' ')}.`)
}

/** Makes the machine ready for `start` or `test` and returns the pinned Node's path. */
export function setup(purpose) {
  checkNode()
  installNodeModules()
  installSystemPackages(purpose)
  return join(root, 'node_modules', '.bin', 'node')
}

/** Environment for everything that runs on the pinned Node: it comes first on PATH, and stripped TypeScript is cached. */
export function environment() {
  return {
    ...process.env,
    PATH: [join(root, 'node_modules', '.bin'), process.env.PATH ?? ''].join(delimiter),
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.cache', 'compile'),
  }
}

export const repository = root

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const node = setup('test')
  process.stdout.write(`ready: node ${execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()}\n`)
}
