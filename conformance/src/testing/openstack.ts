import { execFile } from 'node:child_process'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The unmodified client of the distribution; another python may come first on PATH. */
export const openstackCommand = '/usr/bin/openstack'

/** Runs one command with nothing but the given variables in its environment. */
export function runOpenstack(environment: Readonly<Record<string, string>>, args: readonly string[]): Promise<Ran> {
  const env = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', LANG: 'C.UTF-8', ...environment }
  return new Promise((done) => {
    execFile(openstackCommand, args, { env, timeout: 60_000, maxBuffer: 8 * 1024 * 1024 }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, stdout, stderr })
    })
  })
}

export interface OpenstackClient {
  /** Output as JSON; fails the test with the client's own words. */
  json<T>(...args: string[]): Promise<T>
  /** Must succeed; its output as text. */
  ok(...args: string[]): Promise<string>
  /** Must fail; what it said. */
  refused(...args: string[]): Promise<string>
}

export function openstackClient(environment: Readonly<Record<string, string>>): OpenstackClient {
  const ok = async (...args: string[]): Promise<string> => {
    const ran = await runOpenstack(environment, args)
    if (ran.code !== 0) throw new Error(`openstack ${args.join(' ')} ended with ${ran.code}: ${ran.stderr || ran.stdout}`)
    return ran.stdout.trim()
  }
  return {
    ok,
    json: async <T>(...args: string[]) => JSON.parse(await ok(...args, '-f', 'json')) as T,
    async refused(...args) {
      const ran = await runOpenstack(environment, args)
      if (ran.code === 0) throw new Error(`openstack ${args.join(' ')} was not refused: ${ran.stdout}`)
      return `${ran.stdout}${ran.stderr}`
    },
  }
}

/** `export NAME='value'` lines, read as a shell would. */
export function readOpenrc(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^export (\w+)='((?:[^']|'\\'')*)'$/gm)].map(([, name = '', value = '']) => [name, value.replaceAll(`'\\''`, "'")]),
  )
}
