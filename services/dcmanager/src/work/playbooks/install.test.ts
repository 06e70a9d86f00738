import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Secret } from '@murmuration/trust'
import { imageEndpoint, imagePath } from '../image-endpoint.ts'
import { fakeBmc, type FakeBmc } from '../testing/fake-bmc.ts'
import { filesBelow } from '../testing/leftovers.ts'
import { temporaryFolder } from '../testing/test-site.ts'
import { createRealWorld } from '@murmuration/world'
import { Expression } from './documents.ts'
import { PlaybookFailed } from './failure.ts'
import { createPlaybookRunner, shippedPlaybooksFolder } from './run-playbook.ts'

const staticImage = 'http://203.0.113.5:8080/iso/26.09/nodes/edge/bootimage.iso'

async function install(
  t: TestContext,
  bmc: FakeBmc,
  playbook = 'install.yml',
  password = bmc.password,
  image = staticImage,
): Promise<string> {
  const folder = await temporaryFolder(t)
  // The installed system answers here.
  const ssh = createServer()
  await new Promise<void>((done) => ssh.listen(0, '127.0.0.1', done))
  t.after(() => ssh.close())
  const world = createRealWorld({ timersKeepAlive: true, log: { level: 'silent' } })
  try {
    await createPlaybookRunner(world, { varFolder: folder, playbooksFolder: shippedPlaybooksFolder, sshKeyFile: undefined }).run({
      jobId: 'job-1',
      epoch: 1,
      subcloudId: 3,
      host: 'edge',
      name: 'edge',
      stage: 'installing',
      playbook: join(shippedPlaybooksFolder, playbook),
      files: {
        'inventory.yml': {
          all: {
            hosts: {
              edge: {
                ansible_host: '192.0.2.1',
                ansible_connection: 'ssh',
                ansible_python_interpreter: new Expression('{{ ansible_playbook_python }}'),
              },
            },
          },
        },
        'rvmc-config.yaml': {
          bmc_url: bmc.url,
          bmc_address: '127.0.0.1',
          bmc_username: bmc.user,
          image,
        },
      },
      variables: (run) => ({
        rvmc_config_file: `${run}/rvmc-config.yaml`,
        install_release_version: '26.09',
        bootstrap_address: '127.0.0.1',
        install_wait_port: (ssh.address() as AddressInfo).port,
        install_timeout: 20,
        bmc_poll_seconds: 0,
      }),
      secrets: { SUBCLOUD_BMC_PASSWORD: new Secret(password) },
      deadlineMs: 60_000,
      signal: new AbortController().signal,
      abortWaits: () => false,
      progress: () => {},
    })
  } finally {
    for (const file of await filesBelow(folder)) assert.ok(!(await readFile(file, 'utf8')).includes(password), file)
  }
  return folder
}

test('install: image inserted, one boot from it, power cycle, nothing secret kept', { timeout: 120_000 }, async (t) => {
  const world = createRealWorld({ log: { level: 'silent' } })
  const path = join(await temporaryFolder(t), 'os.iso')
  await world.files.write(path, Buffer.alloc(40_000, 'x'))
  const wanted = { release: '26.09', subcloudId: 3, token: 't'.repeat(43), name: 'bootimage.iso' } as const
  const endpoint = imageEndpoint(world, async (asked) => {
    assert.deepEqual(asked, wanted)
    return [{ path, start: 0, sizeBytes: 40_000 }]
  })
  const listening = await world.net.serve({ host: '127.0.0.1', port: 0 }, endpoint)
  t.after(() => listening.close(0))
  const image = `http://127.0.0.1:${listening.port}${imagePath(wanted)}`
  const bmc = await fakeBmc(t, { password: `bmc '"%@ {{ secret }}`, reads: true })
  bmc.image = 'left by somebody'
  await install(t, bmc, 'install.yml', bmc.password, image)
  assert.deepEqual(bmc.changes, [
    'POST /redfish/v1/Managers/1/VirtualMedia/CD/Actions/VirtualMedia.EjectMedia {}',
    `POST /redfish/v1/Managers/1/VirtualMedia/CD/Actions/VirtualMedia.InsertMedia {"Image": "${image}", "Inserted": true, "WriteProtected": true}`,
    'PATCH /redfish/v1/Systems/1 {"Boot": {"BootSourceOverrideTarget": "Cd", "BootSourceOverrideEnabled": "Once"}}',
    'POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset {"ResetType": "ForceOff"}',
    'POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset {"ResetType": "On"}',
  ])
  await t.test('the BMC reads its image from the system controller', () => {
    assert.deepEqual(bmc.fetched, ['HEAD 200 40000: 0', 'GET 206 bytes 34816-36863/40000: 2048', 'GET 206 bytes 37952-39999/40000: 2048'])
    assert.equal(bmc.power, 'On')
  })
})

test('power_off: after an aborted installation the server is off', { timeout: 60_000 }, async (t) => {
  const bmc = await fakeBmc(t, { password: 'bmc-password' })
  await install(t, bmc, 'power_off.yml')
  assert.equal(bmc.power, 'Off')
})

test('install: a wrong password and a missing drive are told, and nothing is switched', { timeout: 60_000 }, async (t) => {
  const bmc = await fakeBmc(t, { password: 'bmc-password', drives: ['Floppy'] })
  await assert.rejects(install(t, bmc), (error: unknown) => {
    assert.ok(error instanceof PlaybookFailed)
    assert.match(error.message, /^FAILED installing playbook of \(edge\)\.\ndetail: err_code = rvmc_process/)
    return true
  })
  await assert.rejects(install(t, bmc, 'install.yml', 'wrong-password'), (error: unknown) => {
    assert.ok(error instanceof PlaybookFailed)
    assert.match(error.message, /401/)
    assert.equal(error.failure.task, 'reach the BMC')
    return true
  })
  assert.deepEqual(bmc.changes, [])
})
