import { randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { repository } from './processes.ts'

/**
 * Two neighbouring numbers of 127.x for one fleet (management and operators), far from those of a lab and held by nobody now.
 * Every address below is this machine's, so suites meet neither each other nor a lab.
 */
export async function freePrefix(): Promise<{ readonly management: string; readonly oam: string }> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const second = 2 + 2 * randomInt(120)
    const management = `127.${second}`
    if ((await isFree(`${management}.0.1`, 5000)) && (await take(`${management}.255.254`))) return { management, oam: `127.${second + 1}` }
  }
  throw new Error('no free range of loopback addresses')
}

/** Held for as long as this process lives: another suite may look before anything of ours listens. */
const take = (host: string): Promise<boolean> =>
  new Promise((done) => {
    const server = createServer().unref()
    server.once('error', () => done(false))
    server.listen(5000, host, () => done(true))
  })

export const isFree = (host: string, port: number): Promise<boolean> =>
  new Promise((done) => {
    const server = createServer()
    server.once('error', () => done(false))
    server.listen(port, host, () => server.close(() => done(true)))
  })

/** A file of docs/examples for the n-th subcloud of a fleet: the same text with its own name and addresses, and its controller's. */
export async function example(
  file: string,
  name: string,
  n: number,
  { prefix, address }: { readonly prefix: { readonly management: string; readonly oam: string }; readonly address: string },
): Promise<string> {
  const text = await readFile(join(repository, 'docs/examples', file), 'utf8')
  return text
    .replaceAll('subcloud3', name)
    .replaceAll('127.0.3.', `${prefix.management}.${n}.`)
    .replaceAll('127.1.3.', `${prefix.oam}.${n}.`)
    .replaceAll('127.0.0.', address.slice(0, -1))
}
