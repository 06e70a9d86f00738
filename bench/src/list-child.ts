import Fastify from 'fastify'
import { countStatements } from '@murmuration/data'
import type { Endpoint, World } from '@murmuration/world'
import { median } from './results.ts'

/** Lists of an API, in a process of their own: asked for over HTTP, each beside a bare handler that serves the same bytes. */
export interface ServedLists {
  readonly world: World
  readonly endpoint: Endpoint
  readonly tokens: readonly string[]
  readonly lists: readonly ServedList[]
  /** How often the statements alone are asked to tell what they take. */
  readonly sqlRounds: number
}

export interface ServedList {
  /** With its query. */
  readonly path: string
  /** The same questions to the database, with nothing done to the answers. */
  readonly sql: () => Promise<unknown>
}

export interface Addresses {
  readonly lists: readonly { readonly list: string; readonly bare: string; readonly statements: number; readonly bytes: number }[]
  readonly tokens: readonly string[]
}

/** What this process has used since it began, and for how many requests. */
export interface Spent {
  readonly cpuMs: number
  readonly requests: number
}
export interface SqlSpent {
  readonly p50Ms: number
  readonly cpuMs: number
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** Serves all, tells the parent where and what they cost, and measures the statements of one alone when it is asked for them by number. */
export async function serveLists({ world, endpoint, tokens, lists, sqlRounds }: ServedLists): Promise<void> {
  let requests = 0
  const counting: Endpoint = { ...endpoint, handle: (request, response) => ((requests += 1), endpoint.handle(request, response)) }
  const listening = await world.net.serve({ host: '127.0.0.1', port: 0 }, counting)
  const headers = { 'x-auth-token': tokens[0]!, accept: 'application/json' }
  const bare = Fastify()
  bare.addHook('onRequest', async () => void (requests += 1))
  const served = []
  for (const [at, { path, sql }] of lists.entries()) {
    const list = `http://127.0.0.1:${listening.port}${path}`
    const { result, statements } = await countStatements(() => endpoint.inject({ method: 'GET', url: list, headers, deadlineMs: 10_000 }))
    if (result.status !== 200) throw new Error(`${path} answered ${result.status}`)
    if ((await countStatements(sql)).statements !== statements) throw new Error(`${path}: not the same statements`)
    const bytes = Buffer.from(result.body)
    bare.get(`/${at}`, (_, reply) => reply.type('application/json').send(bytes))
    served.push({ list, statements, bytes: bytes.length })
  }
  const plain = await bare.listen({ host: '127.0.0.1', port: 0 })

  const measureSql = async (sql: () => Promise<unknown>): Promise<SqlSpent> => {
    const took: number[] = []
    const before = cpuMs()
    for (let n = 0; n < sqlRounds; n += 1) {
      const begin = performance.now()
      await sql()
      took.push(performance.now() - begin)
    }
    return { p50Ms: median(took), cpuMs: (cpuMs() - before) / sqlRounds }
  }
  process.on('message', ({ sqlOf }: { sqlOf?: number }) => {
    if (sqlOf === undefined) process.send!({ cpuMs: cpuMs(), requests } satisfies Spent)
    else void measureSql(lists[sqlOf]!.sql).then((spent) => process.send!(spent))
  })
  process.send!({ lists: served.map((one, at) => ({ ...one, bare: `${plain}/${at}` })), tokens } satisfies Addresses)
}
