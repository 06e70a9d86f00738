import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDatabase } from '@murmuration/data'
import { createDaemons, createRealWorld } from '@murmuration/world'
import { startRedis } from 'kysely-redis/testing'
import { upkeepOf } from '../commands/upkeep.ts'
import { exitCodes } from '../exit.ts'
import { ends } from '../testing/command.ts'
import { serve } from '../serve/command.ts'
import { begunMove, keepMove, refuseWhileCopied } from './begun-move.ts'
import { moveLab } from './move.ts'
import { startSite } from './sites.ts'

test('a move that failed half-way goes on, and replaces nothing but what it has put there', { timeout: 120_000 }, async (t) => {
  const world = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
  const folder = await mkdtemp(join(tmpdir(), 'murmur-move-'))
  const redis = await startRedis(['--appendonly', 'yes'])
  t.after(async () => {
    await redis.stop()
    await rm(folder, { recursive: true })
  })
  const varFolder = join(folder, 'sites/one/var')
  await world.files.write(join(folder, 'sites/one/site.yaml'), `name: edge\nrole: subcloud\nregion: r1\nvarFolder: ${varFolder}\n`)
  const file = (service: string) => join(varFolder, 'data', `${service}.db`)
  /** One more project at the site; 0 of them: the database is only made. */
  const live = async (url: string, service: 'identity' | 'platform', name?: string) => {
    const database = await openDatabase<{ settings: { name: string; value: string } }>(url, { world, name: service })
    await database.migrate((await upkeepOf[service]()).migrations)
    if (name !== undefined) await database.query.insertInto('settings').values({ name, value: 'x' }).execute()
    const names = service === 'identity' ? await database.query.selectFrom('settings').select('name').orderBy('name').execute() : []
    await database.close()
    return names.map((row) => row.name)
  }
  await live(`sqlite:${file('identity')}`, 'identity', 'first')
  await live(`sqlite:${file('platform')}`, 'platform')
  await rename(file('platform'), `${file('platform')}.whole`)
  await writeFile(file('platform'), 'not a database, but long enough to be taken for one. '.repeat(100))

  const move = () => moveLab(world, { MURMUR_VAR: folder }, { to: redis.url })
  const place = `${redis.url}?namespace=murmuration-r1-identity`
  await assert.rejects(move())
  assert.ok((await live(place, 'identity')).includes('first'), 'one service was copied')
  // The site was started again where it was, and has gone on there.
  await live(`sqlite:${file('identity')}`, 'identity', 'second')
  await assert.rejects(move())
  // Somebody else has found the place and uses it.
  await live(place, 'identity', 'of others')
  await assert.rejects(move(), /in use/)
  const taken = await openDatabase<{ settings: { name: string } }>(place, { world, name: 'identity' })
  await taken.query.deleteFrom('settings').where('name', '=', 'of others').execute()
  await taken.close()
  await rename(`${file('platform')}.whole`, file('platform'))
  // Two at once: one moves the lab, the other is told so, as is who would start a site meanwhile. One that died is in nobody's way.
  const refusal = ends(exitCodes.conflict, /being moved by another command \(pid \d+\).*Wait for its end/)
  const mover = (who: object) => writeFile(join(folder, 'moving.pid'), JSON.stringify(who))
  await mover((await createDaemons().identify(process.ppid))!)
  await assert.rejects(move(), refusal)
  await assert.rejects(startSite(world, { MURMUR_VAR: folder }, join(folder, 'sites/one/site.yaml')), refusal)
  await mover({ pid: process.ppid, startTicks: 1 })
  // …and whoever starts it without looking for a lab, as playbooks do.
  const site = join(folder, 'sites/one/site.yaml')
  const begun = (await begunMove(world, { varFolder }))!
  await keepMove(world, { varFolder }, { ...begun, mover: (await createDaemons().identify(process.ppid))! })
  await assert.rejects(serve(world, {}, { site }), ends(exitCodes.conflict, /data of edge is being moved by another command \(pid \d+\)/))
  await assert.rejects(refuseWhileCopied(world, {}, { varFolder, name: 'edge' }, 300), /is being moved/)
  await refuseWhileCopied(world, { MURMUR_MOVER_PID: String(process.ppid) }, { varFolder, name: 'edge' })
  const both = await Promise.allSettled([move(), move()])
  const refusals = both.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  assert.equal(refusals.length, 1)
  assert.ok(refusal(refusals[0]))
  const moved = both.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  assert.deepEqual([...new Set(moved.map(({ service }) => service))].sort(), ['identity', 'platform'])
  assert.deepEqual(await live(place, 'identity'), ['first', 'second'])
  assert.deepEqual(await move(), [], 'it is there')
})
