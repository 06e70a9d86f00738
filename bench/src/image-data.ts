import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { ChildProcess } from 'node:child_process'
import { ask, startChild } from './child.ts'
import { loadNow } from './list-load.ts'
import { percent } from './results.ts'

const mebibyte = 2 ** 20
const large = 1024 * mebibyte
const rounds = 3
const many = 16
const each = 192 * mebibyte

interface Server {
  readonly url: string
  readonly tokens: readonly string[]
}

/** Sends and takes bytes as fast as the other side lets it; what they are does not matter to it. */
class Client {
  readonly #headers: Record<string, string>
  readonly #url: string

  constructor({ url, tokens }: Server) {
    this.#url = url
    this.#headers = { 'x-auth-token': tokens[0]!, accept: 'application/json' }
  }

  async image(): Promise<string> {
    const body = JSON.stringify({ name: 'bench', disk_format: 'raw', container_format: 'bare' })
    const answer = await fetch(`${this.#url}/v2/images`, { method: 'POST', headers: { ...this.#headers, 'content-type': 'application/json' }, body }) // prettier-ignore
    return ((await answer.json()) as { id: string }).id
  }

  async remove(id: string): Promise<void> {
    await fetch(`${this.#url}/v2/images/${id}`, { method: 'DELETE', headers: this.#headers })
  }

  upload(path: string, size: number): Promise<void> {
    return new Promise((done, fail) => {
      const headers = { ...this.#headers, 'content-type': 'application/octet-stream', 'content-length': size }
      const sent = request(this.#url + path, { method: 'PUT', agent: false, headers }, (answer) => {
        answer.resume().on('end', () => (answer.statusCode === 204 ? done() : fail(new Error(`PUT ${path}: ${answer.statusCode}`))))
      })
      sent.on('error', fail)
      let left = size
      const more = (): void => {
        while (left > 0) {
          const piece = left >= bytes.length ? bytes : bytes.subarray(0, left)
          left -= piece.length
          if (!sent.write(piece)) return
        }
        sent.end()
      }
      sent.on('drain', more)
      more()
    })
  }

  download(path: string, size: number): Promise<void> {
    return new Promise((done, fail) => {
      const asked = request(this.#url + path, { agent: false, headers: this.#headers }, (answer) => {
        let came = 0
        answer.on('data', (piece: Buffer) => (came += piece.length))
        answer.on('end', () => (came === size ? done() : fail(new Error(`GET ${path}: ${came} bytes`))))
        answer.on('error', fail)
      })
      asked.on('error', fail).end()
    })
  }
}

const bytes = randomBytes(64 * 1024)

interface Cost {
  readonly seconds: number
  /** Of the server. */
  readonly cpuSeconds: number
}

async function costOf(child: ChildProcess, work: () => Promise<unknown>): Promise<Cost> {
  const [cpu, begin] = [await ask<number>(child, {}), performance.now()]
  await work()
  return { seconds: (performance.now() - begin) / 1_000, cpuSeconds: (await ask<number>(child, {})) - cpu }
}

/** Resident memory in MiB; its highest mark is set back by the system on request. */
const resident = ({ pid }: ChildProcess, mark: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`${mark}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
const resetMark = ({ pid }: ChildProcess): void => writeFileSync(`/proc/${pid}/clear_refs`, '5')

/**
 * Issue 4 §4: one GiB up and down, against a pipeline of Node's own streams that hashes and writes the same; and what memory many transfers at
 * once take over a process that has done none.
 */
export async function imageData(): Promise<string[]> {
  const [ours, plain] = [await startChild<Server>('./image-data-server.ts', ['ours']), await startChild<Server>('./image-data-server.ts', ['plain'])] // prettier-ignore
  const [client, bare] = [new Client(ours.ready), new Client(plain.ready)]
  const idle = resident(ours.child, 'VmRSS')

  const costs: Record<'up' | 'plainUp' | 'down' | 'plainDown', Cost[]> = { up: [], plainUp: [], down: [], plainDown: [] }
  for (let round = 0; round < rounds; round += 1) {
    const id = await client.image()
    const path = `/v2/images/${id}/file`
    costs.plainUp.push(await costOf(plain.child, () => bare.upload('/x', large)))
    costs.up.push(await costOf(ours.child, () => client.upload(path, large)))
    costs.plainDown.push(await costOf(plain.child, () => bare.download('/x', large)))
    costs.down.push(await costOf(ours.child, () => client.download(path, large)))
    await client.remove(id)
  }
  const one = resident(ours.child, 'VmHWM')

  const ids = await Promise.all(Array.from({ length: many }, () => client.image()))
  resetMark(ours.child)
  await Promise.all(ids.map((id) => client.upload(`/v2/images/${id}/file`, each)))
  const uploads = resident(ours.child, 'VmHWM')
  resetMark(ours.child)
  await Promise.all(ids.map((id) => client.download(`/v2/images/${id}/file`, each)))
  const downloads = resident(ours.child, 'VmHWM')
  for (const { child } of [ours, plain]) child.kill('SIGKILL')

  const speed = (what: string, own: readonly Cost[], other: readonly Cost[]): string => {
    const least = (costs: readonly Cost[], by: keyof Cost): number => Math.min(...costs.map((cost) => cost[by]))
    const goal = (by: keyof Cost): string => {
      const part = least(other, by) / least(own, by)
      return `${percent(part)} (goal ≥ 80 %: ${part >= 0.8 ? 'met' : 'MISSED'})`
    }
    const rate = (costs: readonly Cost[]): string => `${(large / mebibyte / least(costs, 'seconds')).toFixed(0)} MiB/s, ${least(costs, 'cpuSeconds').toFixed(2)} s of CPU` // prettier-ignore
    return `${what} of 1 GiB: ${rate(own)}; Node's own pipeline ${rate(other)}; ${goal('seconds')}, by CPU ${goal('cpuSeconds')}`
  }
  const memory = (what: string, peak: number): string =>
    `${what}: at most ${(peak - idle).toFixed(0)} MiB over idle (${idle.toFixed(0)} MiB; goal < 64: ${peak - idle < 64 ? 'met' : 'MISSED'})`
  return [
    `file store, SQLite, no TLS; both servers hash MD5 and SHA-512, sync and rename; the client on the same cores; best of ${rounds}; ${loadNow()}`,
    speed('upload', costs.up, costs.plainUp),
    speed('download', costs.down, costs.plainDown),
    memory('memory of one transfer at a time', one),
    memory(`memory of ${many} uploads of ${each / mebibyte} MiB at once`, uploads),
    memory(`memory of ${many} downloads of ${each / mebibyte} MiB at once`, downloads),
  ]
}
