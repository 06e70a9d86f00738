import assert from 'node:assert/strict'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { createApi, type Api } from './client.ts'
import { readOpenrc } from './openstack.ts'
import { cleanEnvironment, kill, murmur, murmurProgram, startLogged, type Ran, type Started } from './processes.ts'
import { filesBelow } from './secrets.ts'
import { tails, until } from './until.ts'

interface LabSite {
  readonly name: string
  readonly role: string
  readonly pid: number
  readonly site: string
}

/** A lab of one controller and one subcloud in its own folder, as `npm start` runs it. */
export class Lab {
  readonly var: string
  readonly environment: Record<string, string>
  #running: Started | undefined

  constructor(folder: string, prefix: string, dataUrl?: string) {
    this.var = folder
    this.environment = { MURMUR_VAR: this.var, MURMUR_LAB_PREFIX: prefix, ...(dataUrl === undefined ? {} : { DATA_URL: dataUrl }) }
  }

  async start(): Promise<void> {
    const log = `${this.var}.log`
    const args = [murmurProgram, 'lab', 'up', '--subclouds', '1']
    this.#running = await startLogged(args, cleanEnvironment(this.environment), log)
    const up = async (): Promise<boolean> => (await readFile(log, 'utf8')).includes('The lab is up.')
    await until('the lab is up', up, { timeoutMs: 150_000, explain: () => tails([log], 40) })
  }

  async end(): Promise<void> {
    kill(this.#running!.pid, 'SIGINT')
    assert.equal(await this.#running!.ended, 0)
  }

  murmur(...args: string[]): Promise<Ran> {
    return murmur(args, this.environment).done
  }

  /** The services of a site, as its admin. */
  async apis(openrcFile = 'openrc'): Promise<{ fleet: Api; images: Api; identity: Api }> {
    const {
      OS_AUTH_URL = '',
      OS_USERNAME = '',
      OS_PASSWORD = '',
      OS_PROJECT_NAME = '',
    } = readOpenrc(await readFile(`${this.var}/${openrcFile}`, 'utf8'))
    const at = (port: number): Api =>
      createApi(OS_AUTH_URL.replace(/:5000.*/, `:${port}`), OS_AUTH_URL, {
        user: OS_USERNAME,
        password: OS_PASSWORD,
        project: OS_PROJECT_NAME,
      })
    return { fleet: at(8119), images: at(9292), identity: at(5000) }
  }

  async sites(): Promise<LabSite[]> {
    return (JSON.parse(await readFile(`${this.var}/lab.json`, 'utf8')) as { sites: LabSite[] }).sites
  }

  /** Every service of every site has its rows in an engine, and they are as they must be. */
  async isWhollyIn(engine: string): Promise<void> {
    for (const { name, role, site } of await this.sites()) {
      const checked = await this.murmur('db', 'check', '--site', site, '-f', 'json')
      assert.equal(checked.code, 0, checked.stdout + checked.stderr)
      const found = JSON.parse(checked.stdout) as { service: string; engine: string; rows: number; problems: string }[]
      assert.deepEqual(found.map(({ service }) => service).toSorted(), servicesOf(role), name)
      // A lab has no images unless somebody brings some.
      for (const { service, rows, ...each } of found)
        assert.deepEqual([each.engine, rows > 0 || service === 'image', each.problems], [engine, true, 'none'], `${name}: ${service}`)
    }
  }

  /** No file of SQLite lies below the lab, or is held by one of its processes. */
  async hasNoSqlite(): Promise<void> {
    for (const file of await filesBelow(this.var))
      assert.doesNotMatch((await readFile(file)).subarray(0, 15).toString('latin1'), /^SQLite format 3/, file)
    for (const { name, pid } of await this.sites()) {
      const open = await Promise.all((await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))
      assert.deepEqual(open.filter((path) => /\.db(-|$|\s)/.test(path)), [], name) // prettier-ignore
    }
  }
}

export const servicesOf = (role: string): string[] =>
  role === 'subcloud' ? ['identity', 'platform'] : ['dcmanager', 'identity', 'image', 'platform']
