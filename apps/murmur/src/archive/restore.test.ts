import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { ArchiveRefused, keyFromText } from '@murmuration/archive'
import { openDatabase, summarize, withSnapshot, type Database } from '@murmuration/data'
import { findPostgres, testEngine } from '@murmuration/data/testing'
import { Secret } from '@murmuration/trust'
import { createRealWorld, type Files, type World } from '@murmuration/world'
import { upkeepOf } from '../commands/upkeep.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { loadConfig } from '../serve/command.ts'
import { refuseInterruptedRestore } from './exchange.ts'
import { restoreSite, type RestoreOptions } from './restore.ts'
import { writeSiteArchive } from './write.ts'

const world = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
const folder = mkdtempSync(join(tmpdir(), 'murmur-restore-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const key = keyFromText(new Secret(randomBytes(32).toString('base64')))
const silent = (): void => undefined
const { migrations } = await upkeepOf.platform()

/** A site as it lies on a disk; nothing of it runs. */
async function makeSite(name: string, more = ''): Promise<string> {
  const site = join(folder, name, 'site')
  const files: Record<string, string> = {
    'site.yaml': `# ours\nname: edge\nrole: subcloud\nregion: r1\nservices: [platform]\nvarFolder: var\ntls: {caFile: tls/ca.pem}\n${more}`,
    'tls/ca.pem': 'a certificate',
    'started-with': "somebody else's",
    'var/keys/keyring.json': '{"version":1,"keys":[{"id":"a"}]}',
    'var/secrets/service-password': 'secret',
    'var/vault/large': 'x'.repeat(300_000),
    'var/vault/backups/1/old.archive': 'a backup',
    'var/log/murmur.log': 'a line\n',
    'var/run/lock': 'mine',
    'var/murmur.pid': '{"pid":0}',
  }
  for (const [path, text] of Object.entries(files)) await world.files.write(join(site, path), text)
  await change(site, 'made')
  return site
}

async function change(site: string, contact: string): Promise<void> {
  const database = await openDatabase<{ releases: object }>(`sqlite:${join(site, 'var/data/platform.db')}`, { world, name: 'platform' })
  try {
    await database.migrate(migrations)
    const row = {
      release_id: contact,
      sw_version: '1',
      state: 'x',
      reboot_required: 0,
      created_at: '2026-01-01T00:00:00.000000',
      updated_at: null,
    }
    await database.query.insertInto('releases').values(row).execute()
  } finally {
    await database.close()
  }
  await world.files.write(join(site, 'var/secrets/state'), contact)
}

const archiveOf = async (site: string, exclude: readonly string[] = ['vault/backups']): Promise<string> => {
  const siteFile = join(site, 'site.yaml')
  const output = `${site}.archive`
  const config = await loadConfig(world, siteFile, {})
  await writeSiteArchive(world, config, key, { siteFile, kind: 'site', output, exclude, progress: silent })
  return output
}

const restore = (site: string, input: string, more: Partial<RestoreOptions> = {}, under: World = world, environment = {}) =>
  restoreSite(under, environment, key, { siteFolder: site, input, accept: silent, progress: silent, ...more })

/** Everything that a site consists of, databases as their rows. */
async function stateOf(site: string, url = `sqlite:${join(site, 'var/data/platform.db')}`): Promise<Record<string, unknown>> {
  const files = readdirSync(site, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/\.db(-wal|-shm)?$/.test(path))
  const database = await openDatabase(url, { world, name: 'platform' })
  try {
    return {
      files: Object.fromEntries(
        files.toSorted().map((path) => [path.slice(site.length), [readFileSync(path, 'utf8'), statSync(path).mode & 0o777]]),
      ),
      platform: await withSnapshot(database, summarize),
    }
  } finally {
    await database.close()
  }
}

const withoutFiles = (state: Record<string, unknown>, pattern: RegExp) => ({
  ...state,
  files: Object.fromEntries(Object.entries(state['files'] as object).filter(([path]) => !pattern.test(path))),
})
const failure = (code: number, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CommandFailed, String(error))
  assert.equal(error.exitCode, code)
  assert.match(error.message, message)
  return true
}

void describe('an archived site', () => {
  void test('comes back on an empty disk as it was, without what is left out', async () => {
    const site = await makeSite('wiped')
    const before = await stateOf(site)
    const input = await archiveOf(site)
    rmSync(site, { recursive: true })
    await restore(site, input)
    assert.deepEqual(await stateOf(site), withoutFiles(before, /backups|\/log\/|\/run\/|\.pid$|started-with/))
    assert.deepEqual(readdirSync(join(folder, 'wiped')).sort(), ['site', 'site.archive'])
  })

  void test('takes the place of a later state; what it leaves out, and what is not its own, stays', async () => {
    const site = await makeSite('later')
    const before = await stateOf(site)
    const input = await archiveOf(site)
    await change(site, 'changed')
    writeFileSync(join(site, 'var/vault/new'), 'x')
    await restore(site, input)
    assert.deepEqual(await stateOf(site), withoutFiles(before, /\/run\/|\.pid$/))
    await refuseInterruptedRestore(world, site)
  })

  void test('does not bring back a former owner', async () => {
    const site = await makeSite('owned')
    // oxlint-disable-next-line typescript/no-explicit-any -- a table of the platform service
    const owners = async (work: (database: Database<any>) => Promise<unknown>): Promise<unknown> => {
      const database = await openDatabase(`sqlite:${join(site, 'var/data/platform.db')}`, { world, name: 'platform' })
      try {
        return await work(database)
      } finally {
        await database.close()
      }
    }
    const claim = (owner: string, epoch: number) =>
      owners(async ({ query }) => {
        await query.deleteFrom('ownership').execute()
        const row = { slot: 1, owner, owner_name: owner, epoch, claimed_at: '2026-01-01T00:00:00.000000', refused_count: 0 }
        await query.insertInto('ownership').values(row).execute()
      })
    const owner = () => owners(({ query }) => query.selectFrom('ownership').select(['owner', 'epoch']).executeTakeFirst())
    await claim('former', 3)
    const input = await archiveOf(site)
    await claim('present', 4)
    await restore(site, input)
    assert.deepEqual(await owner(), { owner: 'present', epoch: 4 })
    await claim('former', 2)
    await restore(site, input)
    assert.deepEqual(await owner(), { owner: 'former', epoch: 3 })
    // What can't be read any more does not hinder.
    writeFileSync(join(site, 'var/data/platform.db'), 'no database'.repeat(1_000))
    await restore(site, input)
    assert.deepEqual(await owner(), { owner: 'former', epoch: 3 })
  })

  void test('goes to another folder: its site file leads there', async () => {
    const site = await makeSite('moved', `identity: {servicePasswordFile: ${join(folder, 'moved/site/var/secrets/service-password')}}\n`)
    const input = await archiveOf(site)
    const other = join(folder, 'moved/other')
    await restore(other, input)
    const text = readFileSync(join(other, 'site.yaml'), 'utf8')
    assert.match(text, /^# ours\n/)
    const config = await loadConfig(world, join(other, 'site.yaml'), {})
    assert.deepEqual(
      [config.varFolder, config.identity.servicePasswordFile],
      [join(other, 'var'), join(other, 'var/secrets/service-password')],
    )
    assert.equal(readFileSync(join(other, 'tls/ca.pem'), 'utf8'), 'a certificate')
  })

  void test('whose state is elsewhere goes back there, or where it is told; never by accident', async () => {
    const state = join(folder, 'apart/state')
    const site = join(folder, 'apart/site')
    await world.files.write(join(site, 'site.yaml'), `name: edge\nrole: subcloud\nregion: r1\nservices: [platform]\nvarFolder: ${state}\n`)
    await world.files.write(join(state, 'secrets/state'), 'made')
    const input = await archiveOf(site)
    await world.files.write(join(state, 'secrets/state'), 'changed')
    await assert.rejects(restore(join(folder, 'apart/trial'), input), failure(exitCodes.usage, /outside of its folder/))
    assert.equal(readFileSync(join(state, 'secrets/state'), 'utf8'), 'changed')
    await restore(join(folder, 'apart/trial'), input, { varFolder: join(folder, 'apart/trial-state') })
    assert.equal(readFileSync(join(folder, 'apart/trial-state/secrets/state'), 'utf8'), 'made')
    assert.equal(readFileSync(join(state, 'secrets/state'), 'utf8'), 'changed')
    await restore(site, input)
    assert.equal(readFileSync(join(state, 'secrets/state'), 'utf8'), 'made')
  })

  const skip = findPostgres() === undefined && !process.env['MURMUR_TEST_POSTGRES'] ? 'no PostgreSQL server is installed' : false
  void test('goes on with databases of another engine, and back', { skip }, async (t) => {
    const leftovers: (() => Promise<void>)[] = []
    t.after(async () => {
      for (const remove of leftovers.reverse()) await remove()
    })
    const url = await testEngine('postgres', (remove) => void leftovers.push(remove)).freshUrl()
    const site = await makeSite('engines')
    const before = await stateOf(site)
    const input = await archiveOf(site)
    // Also over what is there already: a second restore replaces the first.
    for (const _ of [1, 2]) await restore(site, input, { dataUrl: url })
    assert.equal((await loadConfig(world, join(site, 'site.yaml'), {})).dataUrl, url)
    assert.deepEqual((await stateOf(site, url))['platform'], before['platform'])
    const again = await archiveOf(site)
    rmSync(site, { recursive: true })
    // The environment decides, as it does for a site that runs.
    await restore(site, again, {}, world, { MURMUR_DATA_URL: `sqlite:${site}/var/data/{service}.db` })
    assert.deepEqual((await stateOf(site))['platform'], before['platform'])
  })

  void test('that is damaged, of another site, or not meant changes nothing', async () => {
    const site = await makeSite('refused')
    const input = await archiveOf(site)
    await change(site, 'changed')
    const before = await stateOf(site)
    const bytes = readFileSync(input)
    for (const at of [70, Math.floor(bytes.length / 2), bytes.length - 1]) {
      const broken = Buffer.from(bytes)
      broken[at]! ^= 1
      writeFileSync(`${site}.broken`, broken)
      await assert.rejects(
        restore(site, `${site}.broken`),
        (error: unknown) => error instanceof ArchiveRefused && error.reason === 'damaged',
      )
    }
    const accept = (): void => {
      throw new CommandFailed(exitCodes.conflict, 'another region')
    }
    await assert.rejects(restore(site, input, { accept }), failure(exitCodes.conflict, /another region/))
    const other = await makeSite('refused-other', 'systemMode: duplex\n')
    writeFileSync(join(other, 'site.yaml'), readFileSync(join(other, 'site.yaml'), 'utf8').replace('r1', 'r2'))
    await assert.rejects(restore(other, input), failure(exitCodes.conflict, /another site: edge, region r2/))
    await writeFile(join(site, 'var/murmur.pid'))
    await assert.rejects(restore(site, input), failure(exitCodes.conflict, /The site runs/))
    assert.deepEqual(withoutFiles(await stateOf(site), /\.pid$/), withoutFiles(before, /\.pid$/))
    assert.deepEqual(readdirSync(join(folder, 'refused')).sort(), ['site', 'site.archive', 'site.broken'])
  })

  void test('is not made while the sealing keys are rotated', async () => {
    const site = await makeSite('rotated')
    const keyring = join(site, 'var/keys/keyring.json')
    const rotating: Files = {
      ...world.files,
      walk(at) {
        writeFileSync(keyring, '{"version":1,"keys":[{"id":"b"}]}')
        return world.files.walk(at)
      },
    }
    const config = await loadConfig(world, join(site, 'site.yaml'), {})
    const options = { siteFile: join(site, 'site.yaml'), kind: 'site', output: `${site}.archive`, exclude: [], progress: silent } as const
    await assert.rejects(writeSiteArchive({ ...world, files: rotating }, config, key, options), failure(exitCodes.conflict, /rotated/))
    assert.deepEqual(readdirSync(join(folder, 'rotated')), ['site'])
  })
})

/** This test itself, which runs. */
async function writeFile(path: string): Promise<void> {
  const { writeOwnPidFile } = await import('../serve/pid-file.ts')
  await writeOwnPidFile(world, path, true)
}

class Died extends Error {}

/** Dies before the n-th change of the disk, which is also after the one before it: nothing that comes later has an effect. */
function dyingWorld(at: number): { world: World; changes: () => number } {
  let changes = 0
  let dead = false
  const changing = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dead) throw new Died()
    changes += 1
    if (changes < at) return work()
    dead = true
    throw new Died()
  }
  const { files } = world
  const dying: Files = {
    ...files,
    write: (...of) => changing(() => files.write(...of)),
    remove: (...of) => changing(() => files.remove(...of)),
    rename: (...of) => changing(() => files.rename(...of)),
    async create(...of) {
      const writer = await changing(() => files.create(...of))
      return {
        write: (piece) => changing(() => writer.write(piece)),
        commit: () => changing(() => writer.commit()),
        discard: () => writer.discard(),
      }
    },
  }
  return { world: { ...world, files: dying }, changes: () => changes }
}

void describe('an interrupted restore', { timeout: 300_000 }, () => {
  for (const place of ['over a later state', 'on an empty disk'] as const)
    void test(`at each step, ${place}: the old state, the new one, or no start; the next run finishes`, async () => {
      const site = await makeSite(`died-${place.replaceAll(' ', '-')}`)
      const made = await stateOf(site)
      const input = await archiveOf(site)
      const empty = place === 'on an empty disk'
      const wanted = withoutFiles(made, empty ? /backups|\/log\/|\/run\/|\.pid$|started-with/ : /\/run\/|\.pid$/)
      const later = `${site}.later`
      await change(site, 'changed')
      const old = await stateOf(site)
      cpSync(site, later, { recursive: true })

      let [done, steps] = [false, 0]
      for (let at = 1; !done; at += 1) {
        rmSync(site, { recursive: true, force: true })
        if (!empty) cpSync(later, site, { recursive: true })
        const dying = dyingWorld(at)
        done = await restore(site, input, {}, dying.world).then(
          () => true,
          (error: unknown) => {
            assert.ok(error instanceof Died, String((error as Error).stack))
            return false
          },
        )
        steps = dying.changes()
        const startable = await refuseInterruptedRestore(world, site).then(
          () => true,
          () => false,
        )
        if (startable && !done && !empty) assert.deepEqual(await stateOf(site), old, `step ${at}`)
        if (startable && !done && empty) assert.ok(!readdirSync(join(site, '..')).includes('site'), `step ${at}`)
        await restore(site, input)
        assert.deepEqual(await stateOf(site), wanted, `step ${at}`)
        const beside = readdirSync(join(site, '..')).sort()
        assert.deepEqual(beside, ['site', 'site.archive', 'site.later'], `step ${at}`)
      }
      assert.ok(steps > 10, `${steps} steps`)
    })
})
