import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSiteConfig, SiteConfigInvalid, type SiteConfig } from '@murmuration/site/config'
import { createDaemons, type ProcessIdentity, type World } from '@murmuration/world'
import { refuseInterruptedRestore } from '../archive/exchange.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { refuseWhileCopied } from '../lab/begun-move.ts'
import { print, tell } from '../terminal.ts'
import { pidFileOf, runningProcess, writeOwnPidFile } from './pid-file.ts'
import { parseRoles, withRoles } from './roles.ts'

export interface ServeOptions {
  readonly site: string
  readonly role?: string
  readonly detach?: boolean
  /** Names this process among several of one site: its pid file and log. */
  readonly processName?: string
}

const readyTimeoutMs = 60_000
const stopGraceMs = 20_000

type Environment = Readonly<Record<string, string | undefined>>

export async function loadConfig(world: World, file: string, environment: Environment): Promise<SiteConfig> {
  try {
    return await loadSiteConfig(world, file, environment)
  } catch (error) {
    if (!(error instanceof SiteConfigInvalid)) throw error
    const lines = error.problems.map(
      (problem) => `${file}${problem.line === undefined ? '' : `:${problem.line}`}: ${problem.path}: ${problem.message}`,
    )
    throw new CommandFailed(exitCodes.usage, lines.join('\n'), `murmur config check --site ${file}`)
  }
}

export async function serve(world: World, environment: Environment, options: ServeOptions): Promise<void> {
  await refuseInterruptedRestore(world, resolve(options.site, '..'))
  const config = withRoles(await loadConfig(world, options.site, environment), parseRoles(options.role))
  // Who starts it in the background, as playbooks do, waits for it anyway.
  await refuseWhileCopied(world, environment, config, options.detach === true ? readyTimeoutMs : 0)
  const pidFile = pidFileOf(config.varFolder, options.processName)
  const already = await runningProcess(world, pidFile)
  if (already !== undefined) {
    if (options.detach === true) {
      await untilReady(world, config, already, pidFile, logFileOf(config, options))
      return print(`${config.name} is running already (pid ${already.pid})`)
    }
    throw new CommandFailed(
      exitCodes.conflict,
      `${config.name} is running already (pid ${already.pid}).`,
      `murmur stop --site ${options.site}`,
    )
  }
  if (options.detach === true) return detach(world, environment, options, config)
  await writeOwnPidFile(world, pidFile, false)
  // A site and its services are a thousand modules, which `stop` and `serve --detach` have no use for.
  const { AddressTaken, serveSite } = await import('./serve.ts')
  try {
    await refuseWhileCopied(world, environment, config)
    const served = await serveSite(world, config)
    await writeOwnPidFile(world, pidFile, true)
    world.log.info('site is ready', { site: config.name, address: config.address, roles: config.roles.join(',') })
    await asked(world)
    await served.stop()
  } catch (error) {
    if (error instanceof AddressTaken)
      throw new CommandFailed(exitCodes.conflict, error.message, 'Stop the other program, or give the site another address.', {
        cause: error,
      })
    throw error
  } finally {
    await world.files.remove(pidFile)
  }
}

/** Resolves when the process is asked to end. Listening sockets hold it until then; a process without any is held by the sleep. */
async function asked(world: World): Promise<void> {
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort())
  while (!stopped.signal.aborted) await world.timers.sleep(60_000, stopped.signal).catch(() => undefined)
}

/** Open archives of the site: none of its processes' business. */
const archiveKeys = ['MURMUR_ARCHIVE_KEY', 'MURMUR_ARCHIVE_PASSPHRASE']

/** What a site's process gets of our environment: nothing but what it needs and the operator's own settings. */
export const siteEnvironment = (environment: Environment): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value !== undefined &&
      (['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'NODE_COMPILE_CACHE'].includes(name) ||
        (name.startsWith('MURMUR_') && !archiveKeys.includes(name)))
        ? [[name, value]]
        : [],
    ),
  )

export const program = fileURLToPath(new URL('../main.js', import.meta.url))

const logFileOf = (config: SiteConfig, options: ServeOptions): string => `${config.varFolder}/log/${options.processName ?? 'murmur'}.log`

async function detach(world: World, environment: Environment, options: ServeOptions, config: SiteConfig): Promise<void> {
  const daemons = createDaemons()
  const logFile = logFileOf(config, options)
  const roles = options.role === undefined ? [] : ['--role', options.role]
  const named = options.processName === undefined ? [] : ['--process-name', options.processName]
  const child = await daemons.start({
    command: process.execPath,
    args: [program, 'serve', '--site', options.site, ...roles, ...named],
    env: siteEnvironment(environment),
    logFile,
  })
  await untilReady(world, config, child, pidFileOf(config.varFolder, options.processName), logFile)
  const where = config.roles.includes('api') ? config.listenAddress : config.roles.join(', ')
  print(`${config.name} is ready (pid ${child.pid}, ${where}, log ${logFile})`)
}

async function untilReady(world: World, config: SiteConfig, child: ProcessIdentity, pidFile: string, logFile: string): Promise<void> {
  const daemons = createDaemons()
  const deadlineMs = world.clock.monotonicMs() + readyTimeoutMs
  for (;;) {
    const serving = await runningProcess(world, pidFile)
    if (serving?.pid === child.pid && serving.ready && (await healthy(world, config))) return
    if (!(await daemons.isAlive(child)))
      throw new CommandFailed(
        exitCodes.refused,
        `${config.name} ended while it started: ${await lastWords(world, logFile)}`,
        `Read its log: ${logFile}`,
      )
    if (world.clock.monotonicMs() > deadlineMs)
      throw new CommandFailed(
        exitCodes.waitTimeout,
        `${config.name} is not ready after ${readyTimeoutMs / 1_000} s.`,
        `Read its log: ${logFile}`,
      )
    await world.timers.sleep(50)
  }
}

/** True when every service that this process was to run says that it is ready. */
export async function healthy(world: World, config: SiteConfig): Promise<boolean> {
  if (!config.roles.includes('api')) return true
  for (const service of config.services) {
    try {
      const answer = await world.net.request({
        method: 'GET',
        url: `http://${urlHost(config.listenAddress)}:${config.ports[service]}/healthz`,
        deadlineMs: 5_000,
      })
      if (answer.status !== 200) return false
    } catch {
      return false
    }
  }
  return true
}

export const urlHost = (address: string): string => (address.includes(':') ? `[${address}]` : address)

/** Why a process ended, for a one-line message: what it told as its error, else the `msg` of its last JSON line, else that line. */
async function lastWords(world: World, logFile: string): Promise<string> {
  const lines = Buffer.from((await world.files.read(logFile)) ?? '')
    .toString('utf8')
    .trimEnd()
    .split('\n')
  // The log goes on over starts: an error is this one's when nothing was logged after it. What to try stands below it.
  const afterLog = lines.slice(lines.findLastIndex((line) => line.startsWith('{')) + 1)
  const error = afterLog.findLast((line) => line.startsWith('error: '))
  if (error !== undefined) return error.slice('error: '.length)
  const line = lines.at(-1) ?? ''
  try {
    return (JSON.parse(line) as { msg?: string }).msg ?? line
  } catch {
    return line === '' ? 'it said nothing' : line
  }
}

export async function stop(
  world: World,
  environment: Environment,
  options: { readonly site: string; readonly processName?: string },
): Promise<void> {
  const config = await loadConfig(world, options.site, environment)
  const pidFile = pidFileOf(config.varFolder, options.processName)
  const running = await runningProcess(world, pidFile)
  if (running === undefined) {
    const others = options.processName === undefined ? await namedProcesses(world, config) : []
    if (others.length === 0) return tell(`${config.name} is not running.`)
    throw new CommandFailed(
      exitCodes.usage,
      `${config.name} runs as several processes: ${others.join(', ')}.`,
      `Stop them one by one: murmur stop --site ${options.site} --process-name ${others[0]}`,
    )
  }
  await end(world, running)
  await world.files.remove(pidFile)
  tell(`${config.name} has stopped.`)
}

/** Names of the processes of a site that were started with `--process-name` and still run. */
async function namedProcesses(world: World, config: SiteConfig): Promise<string[]> {
  const names = (await world.files.list(config.varFolder))
    .filter((name) => name.endsWith('.pid'))
    .map((name) => name.slice(0, -'.pid'.length))
  const running = await Promise.all(
    names.map(async (name) => (await runningProcess(world, pidFileOf(config.varFolder, name))) !== undefined),
  )
  return names.filter((_, index) => running[index])
}

/** TERM, and KILL when it has not ended after the grace time. */
export async function end(world: World, running: ProcessIdentity): Promise<void> {
  const daemons = createDaemons()
  await daemons.signal(running, 'SIGTERM')
  const deadlineMs = world.clock.monotonicMs() + stopGraceMs
  while (await daemons.isAlive(running)) {
    if (world.clock.monotonicMs() > deadlineMs) await daemons.signal(running, 'SIGKILL')
    await world.timers.sleep(20)
  }
}
