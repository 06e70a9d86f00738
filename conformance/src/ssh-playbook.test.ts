import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  bootstrapRun,
  bootstrapValues,
  filesBelow,
  freePorts,
  loopbackAddress,
  sitePorts,
  subcloudRow,
  temporaryFolder,
  testServicePassword,
  testSite,
} from '@murmuration/dcmanager/playbook-testing'
import { startSshd } from './testing/sshd.ts'

const adminPassword = `@over%ssh "{{ 1 }}" 'x'`

/** The shipped bootstrap over a real sshd, with keys: what the lab does with a local connection, as in the field. */
test('the bootstrap playbook over SSH', { timeout: 900_000, skip: existsSync('/usr/sbin/sshd') ? false : 'no sshd' }, async (t) => {
  const address = loopbackAddress()
  const { ssh, ...ports } = await freePorts(address, [...sitePorts, 'ssh'])
  const folder = await temporaryFolder(t, 'ssh')
  const sshd = await startSshd(t, folder, address, ssh!)
  const sitesFolder = join(folder, 'sites')
  const site = await testSite(t, {
    ports,
    playbooks: { connection: 'ssh', sshUser: sshd.user, sshPort: sshd.port, sshKeyFile: sshd.keyFile, sitesFolder },
  })
  const run = await bootstrapRun(site, subcloudRow(address), { ...bootstrapValues(address), admin_password: adminPassword })
  t.after(() => run.stopSite())

  await run.start()
  assert.equal(await readFile(join(run.siteFolder, 'secrets/admin-password'), 'utf8'), adminPassword)
  assert.equal(await readFile(join(run.siteFolder, 'secrets/service-password'), 'utf8'), testServicePassword)
  assert.equal((await stat(join(run.siteFolder, 'tls/site.key'))).mode & 0o777, 0o600)
  assert.deepEqual(
    (await run.calls()).map((call) => call['verb']),
    ['ownership claim', 'serve'],
  )
  assert.deepEqual(await readdir(join(site.config.varFolder, 'run/operations')), [])
  for (const file of await filesBelow(join(site.config.varFolder, 'log')))
    assert.ok(!(await readFile(file, 'utf8')).includes(adminPassword), file)

  await t.test('again: nothing changes', async () => {
    await run.start()
    assert.deepEqual(
      (await run.calls()).slice(2).map((call) => call['verb']),
      ['ownership claim'],
    )
  })
})
