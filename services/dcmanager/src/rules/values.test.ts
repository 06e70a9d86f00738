import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readYaml } from '@murmuration/http'
import fc from 'fast-check'
import { example } from '../testing/api-bench.ts'
import { checkBootstrapValues, type ControllerNetwork } from './bootstrap-values.ts'
import { checkDeployConfig, cutDocuments } from './deploy-config.ts'
import { checkInstallValues, shownInstallValues } from './install-values.ts'
import { decodeBase64 } from './problems.ts'

const controller: ControllerNetwork = {
  regions: ['RegionOne'],
  management: { subnet: '127.0.0.0/24', start: '127.0.0.1', end: '127.0.0.100' },
}
const document = (value: unknown) => ({ value, lineOf: () => undefined })
const bootstrap = readYaml(example('bootstrap-values')).value as Record<string, unknown>
const install = { ...(readYaml(example('install-values')).value as Record<string, unknown>), bmc_password: 'Qm1jIQ==' }

const problemsOf = (changes: Record<string, unknown>): string[] =>
  checkBootstrapValues(document({ ...bootstrap, ...changes }), controller).problems.map(
    ({ field, message }) => `${field.replace('bootstrap_values.', '')} ${message}`,
  )

test('the example values are good', () => {
  const { problems, facts } = checkBootstrapValues(readYaml(example('bootstrap-values')), controller)
  assert.deepEqual(problems, [])
  assert.deepEqual(facts?.network, { subnet: '127.0.3.0/28', start: '127.0.3.2', end: '127.0.3.10', gateway: '127.0.3.1' })
  assert.equal(facts?.systemcontrollerGateway, '127.0.0.254')
  assert.equal(facts?.oam.family, '4')
  assert.deepEqual(checkInstallValues(document(install), { release: '26.09' }).problems, [])
  assert.deepEqual(checkDeployConfig(cutDocuments(example('deploy-config')).map((part) => readYaml(part.text))).problems, [])
})

test('every rule of the bootstrap values has its refusal (reference §4.8)', () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ name: undefined }, /^name is missing/],
    [{ name: '12345' }, /^name must not be all digits/],
    [{ name: 'RegionOne' }, /^name is the name of a region/],
    [{ name: 'SystemController' }, /^name is the name of a region/],
    [{ name: ['a'] }, /^name must be a text/],
    [{ description: ['a'] }, /^description must be a text/],
    [{ location: 'x'.repeat(256) }, /^location is longer than 255/],
    [{ system_mode: 'triplex' }, /^system_mode must be one of simplex, duplex, duplex-direct/],
    [
      {
        management_subnet: '127.0.3.0/31',
        management_start_address: '127.0.3.0',
        management_end_address: '127.0.3.0',
        management_gateway_address: '127.0.3.1',
      },
      /too small/,
    ],
    [{ management_subnet: '127.0.3.1/28' }, /^management_subnet .*host bits/],
    [{ system_mode: 'duplex', management_end_address: '127.0.3.3' }, /^management_end_address leaves too few addresses/],
    [{ management_start_address: '127.0.3.10', management_end_address: '127.0.3.2' }, /^management_end_address is before/],
    [{ management_start_address: '127.0.4.2' }, /^management_start_address is outside/],
    [{ management_end_address: '127.0.3.15' }, /^management_end_address is the network or broadcast/],
    [{ management_start_address: '127.0.3.0' }, /^management_start_address is the network or broadcast/],
    [{ management_start_address: '0177.0.3.2' }, /^management_start_address .*plain decimal/],
    [{ management_gateway_address: '127.0.3.5' }, /^management_gateway_address is inside/],
    [{ management_gateway_address: '127.0.4.1' }, /^management_gateway_address is not a host address/],
    [{ management_gateway_address: undefined }, /^management_gateway_address is missing/],
    [{ management_floating_address: '127.0.3.3' }, /^management_floating_address must equal/],
    [{ systemcontroller_gateway_address: '127.0.0.50' }, /^systemcontroller_gateway_address must be outside/],
    [{ systemcontroller_gateway_address: '127.9.0.254' }, /^systemcontroller_gateway_address must be inside/],
    [{ systemcontroller_gateway_address: 'fd00::1' }, /^systemcontroller_gateway_address must be of the same IP family/],
    [{ external_oam_subnet: '127.1.3.2/31' }, /^external_oam_subnet is too small/],
    [{ external_oam_floating_address: '127.1.3.1' }, /^external_oam_floating_address must differ/],
    [{ external_oam_gateway_address: '127.1.4.1' }, /^external_oam_gateway_address is not a host address/],
    [{ admin_subnet: '127.0.5.0/28' }, /^admin_start_address is missing/],
    [
      {
        management_subnet: 'fd00::/48',
        management_start_address: 'fd00::2',
        management_end_address: 'fd00::9',
        management_gateway_address: 'fd00::1',
      },
      /prefix length of at least 64/,
    ],
    [
      {
        management_subnet: 'fd00::1/128',
        management_start_address: 'fd00::1',
        management_end_address: 'fd00::1',
        management_gateway_address: 'fd00::1',
      },
      /too small/,
    ],
    [{ management_subnet: '127.0.3.0/28,127.0.4.0/28' }, /one of each IP family/],
    [{ management_subnet: '127.0.3.0/28,fd00::/64' }, /as many addresses/],
  ]
  for (const [changes, wanted] of cases) {
    const problems = problemsOf(changes)
    assert.ok(
      problems.some((problem) => wanted.test(problem)),
      `${JSON.stringify(changes)} gave ${JSON.stringify(problems)}`,
    )
  }
})

test('the shortcut, the admin network and dual stack', () => {
  const simplex = {
    ...bootstrap,
    management_start_address: undefined,
    management_end_address: undefined,
    management_floating_address: '127.0.3.2',
  }
  assert.equal(checkBootstrapValues(document(simplex), controller).facts?.network.end, '127.0.3.2')
  const admin = {
    ...bootstrap,
    management_gateway_address: undefined,
    admin_subnet: '127.0.5.0/28',
    admin_start_address: '127.0.5.2',
    admin_end_address: '127.0.5.9',
    admin_gateway_address: '127.0.5.1',
  }
  assert.equal(checkBootstrapValues(document(admin), controller).facts?.network.subnet, '127.0.5.0/28')
  assert.match(
    checkBootstrapValues(document({ ...admin, management_gateway_address: '127.0.3.1' }), controller).problems[0]!.message,
    /must be absent/,
  )
  const dual = {
    ...bootstrap,
    management_subnet: '127.0.3.0/28,fd00::/64',
    management_start_address: '127.0.3.2,fd00::2',
    management_end_address: '127.0.3.10,fd00::9',
    management_gateway_address: '127.0.3.1,fd00::1',
  }
  assert.equal(checkBootstrapValues(document(dual), controller).facts?.network.subnet, '127.0.3.0/28')
})

test('all problems are told at once, with their lines', () => {
  const text = example('bootstrap-values').replace('system_mode: simplex', 'system_mode: none').replace('127.0.3.10', '127.0.9.10')
  const { problems } = checkBootstrapValues(readYaml(text), controller)
  assert.deepEqual(
    problems.map(({ field, line }) => [field, line]),
    ['system_mode', 'management_end_address'].map((member) => [
      `bootstrap_values.${member}`,
      text.split('\n').findIndex((line) => line.startsWith(`${member}:`)) + 1,
    ]),
  )
})

test('whatever a values file holds, it is refused or understood, and nothing else happens', () => {
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom('::1', '127.0.3.0/28', '1e9', '127.0.3.2,fd00::2', '/', ','))
  const member = fc.constantFrom(...Object.keys(bootstrap), 'admin_subnet', 'kubernetes_version', '__proto__', 'constructor')
  fc.assert(
    fc.property(fc.dictionary(member, value), (changes) => {
      const { problems, facts } = checkBootstrapValues(document({ ...bootstrap, ...changes }), controller)
      assert.equal(problems.length === 0, facts !== undefined)
      checkInstallValues(document({ ...install, ...changes }), { release: '26.09' })
    }),
  )
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
})

test('every rule of the install values has its refusal (reference §4.9)', () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ bootstrap_interface: undefined }, 'bootstrap_interface'],
    [{ bootstrap_address: '1' }, 'bootstrap_address'],
    [{ bootstrap_address_prefix: 33 }, 'bootstrap_address_prefix'],
    [{ install_type: 6 }, 'install_type'],
    [{ install_type: true }, 'install_type'],
    [{ bmc_username: undefined }, 'bmc_username'],
    [{ bmc_address: 'fd00::5' }, 'bmc_address'],
    [{ bmc_address: '::ffff:127.0.0.1' }, 'bmc_address'],
    [{ bmc_password: '!' }, 'bmc_password'],
    [{ bmc_password: undefined }, 'bmc_password'],
    [{ network_address: '127.1.3.0' }, 'network_mask'],
    [{ persistent_size: 29_999 }, 'persistent_size'],
    [{ hw_settle: -1 }, 'hw_settle'],
    [{ 'rd.net.timeout.ipv6dad': 0 }, 'rd.net.timeout.ipv6dad'],
    [{ extra_boot_params: '' }, 'extra_boot_params'],
    [{ rvmc_debug_level: 5 }, 'rvmc_debug_level'],
    [{ no_check_certificate: 'perhaps' }, 'no_check_certificate'],
    [{ software_version: '25.09' }, 'software_version'],
  ]
  for (const [changes, field] of cases) {
    const { problems } = checkInstallValues(document({ ...install, ...changes }), { release: '26.09' })
    assert.ok(
      problems.some((problem) => problem.field === `install_values.${field}`),
      `${JSON.stringify(changes)} gave ${JSON.stringify(problems)}`,
    )
  }
  const { values } = checkInstallValues(document({ ...install, image: 'http://elsewhere/x.iso' }), { release: '26.09' })
  assert.equal(values?.['image'], undefined)
})

test('what replies show of install values hides everything that is not known to be harmless', () => {
  const shown = JSON.parse(shownInstallValues({ ...install, enroll_overrides: { password: 'x' }, my_secret: 'y' })) as Record<
    string,
    unknown
  >
  assert.deepEqual([shown['bmc_password'], shown['enroll_overrides'], shown['my_secret']], ['***', '***', '***'])
  assert.equal(shown['bmc_address'], '127.1.3.12')
})

test('a deploy config is cut at its markers, and lines are counted through', () => {
  const parts = cutDocuments('# head\n---\na: 1\n--- # two\nb: |\n  x\n...\n---\nc: 3\n')
  assert.deepEqual(
    parts.map((part) => readYaml(part.text).value),
    [{ a: 1 }, { b: 'x\n' }, { c: 3 }],
  )
  assert.deepEqual(
    parts.map((part) => part.linesBefore),
    [1, 3, 7],
  )
  assert.match(checkDeployConfig([document([1])]).problems[0]!.message, /must be a YAML map/)
  assert.match(checkDeployConfig([]).problems[0]!.message, /empty/)
})

test('base64 decodes to the text it was made of, and nothing else decodes', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme' }), (text) => {
      fc.pre(!text.includes('\0'))
      assert.equal(decodeBase64(Buffer.from(text).toString('base64')), text)
    }),
  )
  for (const text of [
    '',
    'a',
    '=',
    'abc!',
    'YQ==YQ==',
    'Y Q==',
    Buffer.from([0xff, 0xfe]).toString('base64'),
    Buffer.from('a\0b').toString('base64'),
  ])
    assert.equal(decodeBase64(text), undefined, text)
})
