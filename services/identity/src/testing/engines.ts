import { after, before, describe } from 'node:test'
import { testEngine, testEngines, whyAbsent } from '@murmuration/data/testing'

/** Runs a suite once for each engine, on one database for the whole suite. */
export function onEachEngine(name: string, start: (url: string) => Promise<void>, stop: () => Promise<void>, suite: () => void): void {
  for (const engine of testEngines) {
    void describe(`${name} on ${engine}`, { skip: whyAbsent(engine) }, () => {
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
