import type { PolicyRule } from '@murmuration/http'

const projects = '(project_name:admin or project_name:services)'
const readers = `(role:reader or role:operator or role:configurator or role:admin) and ${projects}`
const changers = `(role:admin or role:configurator) and ${projects}`
/** The services of the platform raise alarms and report what devices hold with their own accounts. */
const reporters = `(role:admin or role:configurator or role:service) and ${projects}`

const writeOnly: ReadonlySet<string> = new Set([
  '/v1/sm_servicegroup/{id}',
  '/v1/pci_devices/{id}',
  '/v1/certificate/certificate_install',
  '/v1/alarms/raise',
  '/v1/alarms/clear',
])

type Method = 'POST' | 'PATCH' | 'DELETE'

/** One rule to read a resource and one to change it. */
function resource(name: string, description: string, paths: Readonly<Record<string, readonly Method[]>>, modify = changers): PolicyRule[] {
  const all = Object.keys(paths)
  const changes = all.flatMap((path) => (paths[path] ?? []).map((method) => ({ method, path })))
  return [
    {
      name: `platform_api:${name}:get`,
      check: readers,
      operations: all.filter((path) => !writeOnly.has(path)).map((path) => ({ method: 'GET', path })),
      description: `Read ${description}`,
    },
    ...(changes.length === 0
      ? []
      : [{ name: `platform_api:${name}:modify`, check: modify, operations: changes, description: `Change ${description}` }]),
  ]
}

const networkPaths = ['networks', 'addrpools', 'addresses', 'iinterfaces', 'interface_networks', 'iextoam'].flatMap((name) => [
  `/v1/${name}`,
  `/v1/${name}/{id}`,
])

export const platformPolicies: readonly PolicyRule[] = [
  ...resource('isystems', 'name and facts of the system', { '/v1/isystems': [], '/v1/isystems/{id}': ['PATCH'] }),
  ...resource('ihosts', 'the hosts', { '/v1/ihosts': ['POST'], '/v1/ihosts/{id}': ['PATCH', 'DELETE'] }),
  ...resource('service_groups', 'the service groups', { '/v1/sm_servicegroup': [], '/v1/sm_servicegroup/{id}': ['PATCH'] }),
  ...resource('networks', 'networks, pools, addresses and interfaces', Object.fromEntries(networkPaths.map((path) => [path, []]))),
  ...resource('certificates', 'the certificates', {
    '/v1/certificate': [],
    '/v1/certificate/{id}': ['DELETE'],
    '/v1/certificate/certificate_install': ['POST'],
  }),
  ...resource('kubernetes', 'Kubernetes versions and upgrades', {
    '/v1/kube_versions': [],
    '/v1/kube_versions/{version}': [],
    '/v1/kube_upgrade': ['POST', 'PATCH', 'DELETE'],
  }),
  ...resource('device_images', 'device images', {
    '/v1/device_images': ['POST'],
    '/v1/device_images/{id}': ['PATCH', 'DELETE'],
  }),
  ...resource(
    'devices',
    'devices and what they hold',
    { '/v1/pci_devices': ['POST'], '/v1/pci_devices/{id}': ['PATCH', 'DELETE'], '/v1/device_image_state': ['POST'] },
    reporters,
  ),
  ...resource(
    'alarms',
    'the active alarms',
    {
      '/v1/alarms': ['POST', 'DELETE'],
      '/v1/alarms/{id}': ['DELETE'],
      '/v1/alarms/raise': ['POST'],
      '/v1/alarms/clear': ['POST'],
      '/v1/alarms/summary': [],
    },
    reporters,
  ),
  ...resource('releases', 'the releases', { '/v1/release': ['POST'], '/v1/release/{id}': ['PATCH', 'DELETE'] }),
]

export const dcagentPolicies: readonly PolicyRule[] = [
  {
    name: 'dcagent_api:dcaudit',
    check: `(role:admin or role:service) and ${projects}`,
    operations: [{ method: 'PATCH', path: '/v1/dcaudit' }],
    description: 'Audit the site; the system controller does it with its own service account',
  },
]
