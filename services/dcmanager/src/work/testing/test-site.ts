import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { loadSiteConfig, type Site } from '@murmuration/site'
import { createAuthority, openKeyring } from '@murmuration/trust'
import { createRealWorld, type World } from '@murmuration/world'
import { stringify } from 'yaml'
import type { SubcloudRow } from '../../store/subclouds.ts'

const fakeMurmur = join(import.meta.dirname, 'fake-murmur.ts')
export const fakeMurmurCommand = [process.execPath, fakeMurmur]
/** What the platform service of the site would say. */
export const testSystem = { uuid: 'aaaaaaaa-0000-4000-8000-000000000001', name: 'controller' }
export const testServicePassword = 'service \'#pass"word %{{ no }}'

/** A folder of its own that goes with the test. */
export async function temporaryFolder(t: TestContext, name = 'dcm'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `${name}-`))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A system controller for the manager: real files, processes, keys and authority; no other service behind it. */
export async function testSite(
  t: TestContext,
  options: { playbooks?: Record<string, unknown>; ports?: Record<string, number>; playbooksFolder?: string; world?: World } = {},
): Promise<Site> {
  const folder = await temporaryFolder(t)
  const lines: string[] = []
  const world =
    options.world ?? createRealWorld({ timersKeepAlive: true, log: { level: 'debug', destination: { write: (line) => lines.push(line) } } })
  const file = join(folder, 'site.yaml')
  await world.files.write(
    file,
    stringify({
      name: 'controller',
      role: 'system-controller',
      varFolder: join(folder, 'var'),
      ...(options.playbooksFolder === undefined ? {} : { playbooksFolder: options.playbooksFolder }),
      ...(options.ports === undefined ? {} : { ports: options.ports }),
      playbooks: { connection: 'local', murmurCommand: fakeMurmurCommand, ...options.playbooks },
    }),
  )
  const config = await loadSiteConfig(world, file, {})
  await world.files.write(config.identity.servicePasswordFile, `${testServicePassword}\n`)
  t.after(() => world.net.close())
  await world.files.write(`${config.varFolder}/own-system.json`, JSON.stringify(testSystem))
  const absent = (name: string) => () => {
    throw new Error(`the manager's tests have no ${name}`)
  }
  return {
    world,
    config,
    keyring: await openKeyring(world, `${config.varFolder}/secrets/keys.json`),
    authority: await createAuthority(world, `${config.varFolder}/ca`, 'test authority'),
    bus: {
      client: () => new Proxy({}, { get: () => async () => {} }) as never,
      serve: async () => ({ stop: async () => {} }),
      close: async () => {},
    },
    tokens: { validate: absent('tokens') },
    session: { token: absent('session'), invalidate: absent('session'), endpointUrl: absent('session') } as never,
    openDatabase: absent('database'),
    processId: `test-${process.pid}`,
  } as unknown as Site
}

/** Ports that nobody holds at `address` now. */
export async function freePorts(address: string, names: readonly string[]): Promise<Record<string, number>> {
  const servers = await Promise.all(
    names.map(
      () =>
        new Promise<{ port: number; close: () => Promise<void> }>((resolve, reject) => {
          const server = createServer()
          server.once('error', reject)
          server.listen(0, address, () =>
            resolve({
              port: (server.address() as { port: number }).port,
              close: () => new Promise((done) => server.close(() => done())),
            }),
          )
        }),
    ),
  )
  await Promise.all(servers.map((server) => server.close()))
  return Object.fromEntries(names.map((name, index) => [name, servers[index]!.port]))
}

export const sitePorts = [
  'identity',
  'identityTls',
  'platform',
  'platformTls',
  'dcagent',
  'dcagentTls',
  'dcmanager',
  'dcmanagerTls',
] as const

/** An address of this machine that other tests do not use by chance. */
export const loopbackAddress = (): string => `127.${100 + Math.floor(Math.random() * 100)}.${1 + Math.floor(Math.random() * 250)}.2`

export function subcloudRow(address: string, columns: Partial<SubcloudRow> = {}): SubcloudRow {
  const subnet = address.replace(/\.\d+$/, '')
  return {
    id: 7,
    name: 'edge-porto',
    description: null,
    location: null,
    software_version: '26.09',
    management_state: 'unmanaged',
    availability_status: 'offline',
    deploy_status: 'pre-bootstrap',
    backup_status: null,
    backup_datetime: null,
    prestage_status: null,
    prestage_versions: null,
    error_description: 'No errors present',
    region_name: '5d3a2f0b6a0c4b0f9c3c8a1be7f6d201',
    management_subnet: `${subnet}.0/24`,
    management_gateway_ip: `${subnet}.1`,
    management_start_ip: address,
    management_end_ip: address,
    systemcontroller_gateway_ip: '127.0.0.254',
    external_oam_subnet_ip_family: '4',
    data_install: null,
    openstack_installed: 0,
    first_identity_sync_complete: 0,
    enrolled_with_vcsr: 0,
    rehomed: 0,
    group_id: 1,
    peer_group_id: null,
    bootstrap_address: address,
    initial_deployment: 1,
    revision: 1,
    document_revision: 1,
    owner_epoch: 0,
    fenced_by: null,
    created_at: '2026-01-01T00:00:00.000000',
    updated_at: null,
    ...columns,
  }
}

export const bootstrapValues = (address: string) => {
  const subnet = address.replace(/\.\d+$/, '')
  return {
    name: 'edge-porto',
    system_mode: 'simplex',
    management_subnet: `${subnet}.0/24`,
    management_start_address: address,
    management_end_address: address,
    management_gateway_address: `${subnet}.1`,
    external_oam_subnet: `${subnet}.0/24`,
    external_oam_gateway_address: `${subnet}.1`,
    external_oam_floating_address: `${subnet}.3`,
    systemcontroller_gateway_address: '127.0.0.254',
  }
}
