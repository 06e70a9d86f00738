import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { OpenstackClient, Ran } from './openstack.ts'

const script = fileURLToPath(new URL('python-clients.py', import.meta.url))

export interface PythonClients {
  readonly openstack: OpenstackClient
  readonly glance: OpenstackClient
  stop(): void
}

/** The distribution's `openstack` and `glance`, in one process that lives for a whole suite. Commands run one after the other. */
export function startPythonClients(environment: Readonly<Record<string, string>>, home: string): PythonClients {
  const env = { PATH: '/usr/bin:/bin', HOME: home, LANG: 'C.UTF-8', PYTHONDONTWRITEBYTECODE: '1', ...environment }
  const child = spawn('/usr/bin/python3', [script], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting: ((ran: Ran) => void)[] = []
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(JSON.parse(line) as Ran))
  child.on('close', () => {
    for (const resolve of waiting.splice(0)) resolve({ code: 1, stdout: '', stderr: 'the process of the clients has ended' })
  })
  const client = (name: string): OpenstackClient => {
    const run = (args: readonly string[]): Promise<Ran> =>
      new Promise((resolve) => {
        waiting.push(resolve)
        child.stdin.write(`${JSON.stringify({ client: name, args })}\n`)
      })
    const ok = async (...args: string[]): Promise<string> => {
      const ran = await run(args)
      if (ran.code !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${ran.code}: ${ran.stderr || ran.stdout}`)
      return ran.stdout.trim()
    }
    return {
      ok,
      json: async <T>(...args: string[]) => JSON.parse(await ok(...args, '-f', 'json')) as T,
      async refused(...args) {
        const ran = await run(args)
        if (ran.code === 0) throw new Error(`${name} ${args.join(' ')} was not refused: ${ran.stdout}`)
        return `${ran.stdout}${ran.stderr}`
      },
    }
  }
  return { openstack: client('openstack'), glance: client('glance'), stop: () => void child.stdin.end() }
}
