import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { World } from '@murmuration/world'
import fc from 'fast-check'
import { checkSiteConfig, loadSiteConfig, policyFileOf, SiteConfigInvalid, siteOptions } from './config.ts'

const file = '/etc/murmuration/site.yaml'
const worldWith = (text: string | Uint8Array | undefined): World =>
  ({
    files: {
      read: async (path: string) => (path === file && text !== undefined ? Buffer.from(text) : undefined),
    },
  }) as unknown as World
const load = (text: string, environment = {}) => loadSiteConfig(worldWith(text), file, environment)
const minimal = 'name: north\nrole: system-controller\nvarFolder: /var/lib/murmuration\n'
const edge = "name: edge-1\nrole: subcloud\nregion: '5d3a2f0b6a0c4b0f9c3c8a1be7f6d201'\nvarFolder: var\naddress: 127.0.0.3\n"

const problemsOf = async (text: string | Uint8Array | undefined, environment = {}): Promise<string[]> => {
  try {
    await loadSiteConfig(worldWith(text), file, environment)
  } catch (error) {
    assert.ok(error instanceof SiteConfigInvalid, String(error))
    return error.message.split('\n')
  }
  return []
}

describe('site configuration', () => {
  it('needs three lines for a system controller', async () => {
    const config = await load(minimal)
    assert.equal(config.region, 'RegionOne')
    assert.deepEqual(config.services, ['identity', 'platform', 'image', 'dcmanager'])
    assert.equal(config.identity.url, 'http://127.0.0.1:5000/v3')
    assert.equal(config.identity.serviceUser, 'dcmanager')
    assert.equal(config.dataUrl, 'sqlite:/var/lib/murmuration/data/{service}.db')
    assert.equal(config.tls.caFile, '/var/lib/murmuration/ca/ca.pem')
    assert.deepEqual(config.networks.oam, { subnet: '127.0.0.0/24', gateway: '127.0.0.1', floating: '127.0.0.1' })
    assert.equal(config.policyFile, undefined)
    assert.ok(Object.isFrozen(config.ports))
  })

  it('derives the defaults of a subcloud from its own address', async () => {
    const config = await load(edge)
    assert.equal(config.varFolder, '/etc/murmuration/var')
    assert.deepEqual(config.services, ['identity', 'platform'])
    assert.equal(config.identity.url, 'http://127.0.0.3:5000/v3')
    assert.equal(config.networks.management.start, '127.0.0.3')
    assert.equal(config.tls.caFile, '/etc/murmuration/var/tls/ca.pem')
  })

  it('puts brackets around an IPv6 address and finds its network', async () => {
    const config = await load(`${minimal}address: fd00::2\n`)
    assert.equal(config.identity.url, 'http://[fd00::2]:5000/v3')
    assert.equal(config.networks.management.subnet, 'fd00::/64')
    assert.equal(config.networks.management.end, 'fd00::ffff:ffff:ffff:ffff')
  })

  it('takes the environment over the file, and says where each value is from', async () => {
    const rows = await checkSiteConfig(worldWith(`${minimal}ports:\n  identity: 15000\n  platform: 16385\n`), file, {
      MURMUR_PORTS_IDENTITY: '25000',
      MURMUR_ROLES: 'audit, api',
      MURMUR_VAR: '/not/ours',
      MURMUR_DATA_URL: 'postgres://murmur:hunter2@db/murmur?schema={service}',
    })
    const row = (path: string) => rows.find((found) => found.path === path)
    assert.deepEqual(row('ports.identity'), { path: 'ports.identity', value: '25000', source: 'MURMUR_PORTS_IDENTITY' })
    assert.deepEqual(row('ports.platform'), { path: 'ports.platform', value: '16385', source: 'site.yaml' })
    assert.deepEqual(row('ports.dcmanager'), { path: 'ports.dcmanager', value: '8119', source: 'default' })
    assert.deepEqual(row('roles'), { path: 'roles', value: 'api,audit', source: 'MURMUR_ROLES' })
    assert.equal(row('identity.url')?.value, 'http://127.0.0.1:25000/v3')
    assert.equal(row('dataUrl')?.value, 'postgres://murmur:***@db/murmur?schema={service}')
    assert.equal(rows.length, siteOptions().length)
    assert.ok(!JSON.stringify(rows).includes('hunter2'))
  })

  it('gives each service its own policy file', async () => {
    const config = await load(`${minimal}policyFile: policy/{service}.yaml\n`)
    assert.equal(policyFileOf(config, 'platform'), '/etc/murmuration/policy/platform.yaml')
  })

  it('reports everything at once, and what is in force beside it', async () => {
    const bad = 'name: north\nrole: controller\nports:\n  identity: 70000\n  identiy: 1\nsoftwareVersion: 26.10\n'
    await assert.rejects(checkSiteConfig(worldWith(bad), file, {}), (error: unknown) => {
      assert.ok(error instanceof SiteConfigInvalid)
      assert.deepEqual(
        error.problems.map(({ path, line }) => `${path}:${line ?? ''}`),
        ['ports.identiy:5', 'role:2', 'softwareVersion:6', 'varFolder:', 'ports.identity:4'],
      )
      assert.equal(error.effective.find(({ path }) => path === 'name')?.value, 'north')
      return true
    })
  })

  const bad: [what: string, file: string | Uint8Array | undefined, problems: string[], environment?: Record<string, string>][] = [
    ['no file', undefined, ['site.yaml: is not there: give the path of a site file']],
    ['a list', '- a\n', ['site.yaml: is not a mapping: write one option a line, like name: north']],
    ['no UTF-8', new Uint8Array([0x6e, 0xff]), ['site.yaml: is not UTF-8 text: save it as such']],
    ['a misspelt key', `${minimal}adress: 127.0.0.1\n`, ['adress (line 4): is not an option: did you mean address?']],
    [
      'another spelling',
      `${minimal}software_version: '26.09'\n`,
      ['software_version (line 4): is not an option: did you mean softwareVersion?'],
    ],
    ['a key of a section', `${minimal}identityTls: 5001\n`, ['identityTls (line 4): is not an option: did you mean ports.identityTls?']],
    ['a key that nobody knows', `${minimal}zebra: 1\n`, ['zebra (line 4): is not an option']],
    ['a prototype key', `${minimal}constructor: 1\n`, ["site.yaml (line 4): the forbidden key 'constructor'"]],
    [
      'a dotted key',
      `${minimal}ports.identity: 1\n`,
      ['ports.identity (line 4): has a dot: write the section on a line of its own, and the option indented below it'],
    ],
    ['a section as a value', `${minimal}ports: 5000\n`, ['ports (line 4): is a section: indent its options below it']],
    [
      'a port',
      `${minimal}ports:\n  platform: 70000\n`,
      ["ports.platform (line 5): '70000' does not fit: give a port (0: any free one) from 0 to 65535"],
    ],
    [
      'the same port',
      `${minimal}ports: {platform: 5000}\n`,
      ['ports.platform (line 4): port 5000 is taken by ports.identity: give another port'],
    ],
    [
      'a number for a text',
      `${minimal}softwareVersion: 26.10\n`,
      ["softwareVersion (line 4): '26.1' was read as a number: put it in quotes"],
    ],
    ['an odd address', `${minimal}address: 0x7f000001\n`, ["address (line 4): '2130706433' was read as a number: put it in quotes"]],
    [
      'an octal address',
      `${minimal}address: 010.0.0.1\n`,
      ["address (line 4): '010.0.0.1' is not an IP address: give one like 192.168.204.2 or fd00::2"],
    ],
    [
      'host bits',
      `${minimal}networks:\n  oam: {subnet: 10.0.0.7/24}\n`,
      ["networks.oam.subnet (line 5): '10.0.0.7/24' has host bits set: give 10.0.0.0/24"],
    ],
    [
      'a tiny subnet',
      `${minimal}networks:\n  oam: {subnet: 10.0.0.0/31}\n`,
      ["networks.oam.subnet (line 5): '10.0.0.0/31' is not a subnet: give one like 192.168.204.0/24 or fd00::/64"],
    ],
    [
      'addresses elsewhere',
      `${minimal}networks:\n  oam:\n    subnet: 10.0.0.0/24\n    gateway: 10.0.0.1\n    floating: 10.0.1.2\n`,
      ['networks.oam.floating (line 8): 10.0.1.2 is not in networks.oam.subnet 10.0.0.0/24: give an address of that subnet'],
    ],
    [
      'start after end',
      `${minimal}networks: {management: {start: 127.0.0.9, end: 127.0.0.8}}\n`,
      ['networks.management.end (line 4): 127.0.0.8 comes before networks.management.start: give the last address of the pool'],
    ],
    ['a role', `${minimal}roles: [api, worker]\n`, ["roles (line 4): 'worker' is not known: give one of api, manager, audit, state"]],
    ['no list', `${minimal}roles: []\n`, ['roles (line 4): give a list of api, manager, audit, state']],
    [
      'a subcloud with dcmanager',
      `${edge}services: [platform, dcmanager]\n`,
      ['services (line 6): a subcloud has no dcmanager: leave it out, or give role: system-controller'],
    ],
    [
      'a subcloud without region',
      'name: e\nrole: subcloud\nvarFolder: /v\n',
      ["region: is missing (region of the site's own services): add it to site.yaml, or set MURMUR_REGION"],
    ],
    [
      'external without URL',
      `${minimal}identity: {mode: external}\n`,
      ['identity.url: is missing (identity API, ends in /v3): add it to site.yaml, or set MURMUR_IDENTITY_URL'],
    ],
    [
      'version 2',
      `${minimal}identity: {url: 'http://k:5000/v2.0/'}\n`,
      ["identity.url (line 4): is not the version 3 API: give a URL that ends in /v3, like 'http://127.0.0.1:5000/v3'"],
    ],
    [
      'one database for all',
      `${minimal}dataUrl: sqlite:/x.db\n`,
      [
        'dataUrl (line 4): several services would share one database: put {service} into it, for example as ?schema={service} or ?namespace={service}',
      ],
    ],
    [
      'one policy file for all',
      `${minimal}policyFile: p.yaml\n`,
      ['policyFile (line 4): several services would share one file: put {service} into its name'],
    ],
    [
      'a password in a bad URL',
      `${minimal}dataUrl: mysql://a:hunter2@b/c\n`,
      [
        "dataUrl (line 4): 'mysql://a:***@b/c' does not fit: give a URL like sqlite:/var/lib/murmuration/{service}.db, postgres://user@host/murmuration?schema={service} or redis://host:6379?namespace=murmuration-{service}",
      ],
    ],
    [
      'a bad variable',
      minimal,
      ["audit.concurrency: MURMUR_AUDIT_CONCURRENCY: '0' does not fit: give a count from 1 to 5000"],
      { MURMUR_AUDIT_CONCURRENCY: '0' },
    ],
    [
      'a misspelt variable',
      minimal,
      ['MURMUR_PORT_IDENTITY: is not an option: did you mean MURMUR_PORTS_IDENTITY?'],
      { MURMUR_PORT_IDENTITY: '1' },
    ],
  ]
  for (const [what, text, problems, environment] of bad) {
    it(`refuses ${what}`, async () => assert.deepEqual(await problemsOf(text, environment ?? {}), problems))
  }

  for (const [what, text, line] of [
    ['broken YAML', 'name: north\n\trole: x\n', 2],
    ['a key twice', 'name: north\nname: south\n', 2],
  ] as const) {
    it(`names the line of ${what}`, async () => {
      const [problem, ...more] = await problemsOf(text)
      assert.match(problem ?? '', new RegExp(`^site\\.yaml \\(line ${line}\\): `))
      assert.deepEqual(more, [])
    })
  }

  it('never fails in another way, whatever stands in the file', async () => {
    const keys = fc.constantFrom(...siteOptions().map(({ path }) => path.split('.')[0] ?? ''), '__proto__', 'x')
    await fc.assert(
      fc.asyncProperty(fc.dictionary(keys, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 6 }), async (members) => {
        await problemsOf(JSON.stringify(members))
      }),
      { numRuns: 200 },
    )
  })
})
