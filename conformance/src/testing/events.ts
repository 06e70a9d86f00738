import { request, type ClientRequest } from 'node:http'
import type { Api } from './client.ts'
import { pause } from './until.ts'

export interface ChangeEvent {
  readonly id: string
  readonly event: string
  readonly data: { readonly id?: number; readonly fields?: Readonly<Record<string, unknown>> }
}

export interface ChangeReader {
  readonly events: readonly ChangeEvent[]
  /** How often it had to connect. */
  readonly connections: () => number
  /** Drops the connection, as a network would; the reader comes back with the last id that it saw. */
  cut(): void
  stop(): void
}

/** A client of the change stream as a browser's EventSource is one: it comes back with Last-Event-ID whenever it is cut. */
export function readChanges(api: Api): ChangeReader {
  const events: ChangeEvent[] = []
  let current: ClientRequest | undefined
  let lastId: string | undefined
  let connections = 0
  let stopped = false

  const read = async (): Promise<void> => {
    const token = await api.token()
    await new Promise<void>((done) => {
      connections += 1
      current = request(`${api.base}/v1.0/changes/subclouds`, {
        agent: false,
        headers: { 'x-auth-token': token, accept: 'text/event-stream', ...(lastId === undefined ? {} : { 'last-event-id': lastId }) },
      })
      current.on('error', () => done())
      current.on('close', () => done())
      current.on('response', (response) => {
        let rest = ''
        response.on('error', () => done())
        response.on('data', (chunk: Buffer) => {
          const blocks = (rest + chunk.toString('utf8')).split('\n\n')
          rest = blocks.pop() ?? ''
          for (const block of blocks) take(block)
        })
      })
      current.end()
    })
  }

  const take = (block: string): void => {
    const fields = Object.fromEntries(
      block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const { id, event, data } = fields
    if (id === undefined || event === undefined || data === undefined) return
    lastId = id
    if (event !== 'ready') events.push({ id, event, data: JSON.parse(data) as ChangeEvent['data'] })
  }

  void (async () => {
    while (!stopped) {
      await read().catch(() => {})
      if (!stopped) await pause(100)
    }
  })()
  return {
    events,
    connections: () => connections,
    cut: () => current?.destroy(),
    stop() {
      stopped = true
      current?.destroy()
    },
  }
}
