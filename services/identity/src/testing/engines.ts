import { after, before, describe } from 'node:test'
import { findPostgres, testEngine } from '@murmuration/data/testing'

/** Runs a suite once for each engine, on one database for the whole suite. */
export function onEachEngine(name: string, start: (url: string) => Promise<void>, stop: () => Promise<void>, suite: () => void): void {
  for (const engine of ['sqlite', 'postgres'] as const) {
    const absent = engine === 'postgres' && !process.env['MURMUR_TEST_POSTGRES'] && findPostgres() === undefined
    void describe(`${name} on ${engine}`, { skip: absent ? 'no PostgreSQL server is installed' : false }, () => {
      const leftovers: (() => Promise<void>)[] = []
      before(async () => start(await testEngine(engine, (remove) => void leftovers.push(remove)).freshUrl()))
      after(async () => {
        await stop()
        for (const remove of leftovers.toReversed()) await remove()
      })
      suite()
    })
  }
}
