import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ipaddr from 'ipaddr.js'
import { imageStores, showImageStore, type ImageStore } from './image-stores.ts'
import { address, commandLine, integer, listOf, oneOf, path, port, redactUrl, several, subnet, text, url, type Parse } from './parsers.ts'

/** What was settled so far, by path: options are settled in the order of the table. */
export type Known = Readonly<Record<string, unknown>>

export interface Option<T> {
  readonly description: string
  readonly parse: Parse<T>
  /** Undefined means that the file or the environment must say it. Goes through no parser. */
  readonly fallback: (known: Known) => T | undefined
  /** Present: leaving it out is fine even though there is no default. */
  readonly optional?: true
  readonly show?: (value: T) => string
}

const option = <T>(description: string, parse: Parse<T>, fallback: Option<T>['fallback'], more: Partial<Option<T>> = {}): Option<T> => ({
  description,
  parse,
  fallback,
  ...more,
})

const isController = (known: Known): boolean => known['role'] === 'system-controller'
const inVar =
  (...names: string[]) =>
  (known: Known): string =>
    join(typeof known['varFolder'] === 'string' ? known['varFolder'] : '<varFolder>', ...names)
const seconds = (wanted: string, most: number) => integer(100, most, wanted)

/** The smallest likely network around the site's own address, so that a site on one machine needs no network section. */
function around(known: Known): { subnet: string; first: string; last: string } {
  const own = ipaddr.parse(String(known['address']))
  const cidr = `${own.toString()}/${own.kind() === 'ipv4' ? 24 : 64}`
  const base = own.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(cidr) : ipaddr.IPv6.networkAddressFromCIDR(cidr)
  const at = (change: (bytes: number[]) => void): string => {
    const bytes = base.toByteArray()
    change(bytes)
    return ipaddr.fromByteArray(bytes).toString()
  }
  return {
    subnet: `${base.toString()}/${cidr.split('/')[1]}`,
    first: at((bytes) => (bytes[bytes.length - 1] = 1)),
    last: at((bytes) => (own.kind() === 'ipv4' ? (bytes[3] = 254) : bytes.fill(255, 8))),
  }
}

const homeOf = (user: string): string => (user === 'root' ? '/root' : `/home/${user}`)
const hostInUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host)
const shippedPlaybooks = fileURLToPath(new URL('../../../../playbooks', import.meta.url))
const serviceNames = ['identity', 'platform', 'image', 'dcmanager'] as const
const name = text(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/, 'up to 128 letters, digits, dots, dashes and underscores')

/**
 * Every option of a site, in the order in which defaults build upon each other. The path in the file is the key; the
 * environment variable is MURMUR_ and the path in capitals (`ports.identityTls`: MURMUR_PORTS_IDENTITY_TLS).
 */
export const options = {
  name: option('name of the site, as its operators call it', name, () => undefined),
  role: option('what the site is in its cloud', oneOf('system-controller', 'subcloud'), () => undefined),
  region: option("region of the site's own services", name, (known) => (known['role'] === 'subcloud' ? undefined : 'RegionOne')),
  softwareVersion: option('release that the site runs', text(/^\d{2}\.\d{2}$/, "year and month in quotes, like '26.09'"), () => '26.09'),
  varFolder: option('state of the site: databases, vault, keys, logs', path, () => undefined),
  address: option('IP address under which the services are reached', address, () => '127.0.0.1'),
  listenAddress: option('IP address on which this process listens; differs behind a balancer', address, (known) =>
    String(known['address']),
  ),
  'ports.identity': option('Keystone API', port, () => 5000),
  'ports.identityTls': option('Keystone API with TLS, for other sites', port, () => 5001),
  'ports.platform': option('platform API', port, () => 6385),
  'ports.platformTls': option('platform API with TLS, for other sites', port, () => 6386),
  'ports.dcagent': option('agent, on loopback for tools of this machine', port, () => 8325),
  'ports.dcagentTls': option('agent with mutual TLS, for the system controller', port, () => 8326),
  'ports.image': option('image API', port, () => 9292),
  'ports.imageTls': option('image API with TLS, for other sites', port, () => 9293),
  'ports.imageRegistry': option('registry of the image service, with TLS, for its API nodes', port, () => 9191),
  'ports.dcmanager': option('distributed cloud manager API', port, () => 8119),
  'ports.dcmanagerTls': option('distributed cloud manager API with TLS', port, () => 8120),
  'ports.iso': option('installation images, for BMCs while they install a subcloud', port, () => 8080),
  systemMode: option('how many controllers the site has', oneOf('simplex', 'duplex', 'duplex-direct'), () => 'simplex'),
  'identity.mode': option('own identity service, or a Keystone that exists', oneOf('embedded', 'external'), () => 'embedded'),
  'identity.url': option(
    'identity API, ends in /v3',
    (raw, context) => url(['http', 'https'], 'http://127.0.0.1:5000/v3')(raw, context).replace(/\/+$/, ''),
    (known) =>
      known['identity.mode'] === 'external'
        ? undefined
        : `http://${hostInUrl(String(known['address']))}:${String(known['ports.identity'])}/v3`,
    { show: redactUrl },
  ),
  'identity.serviceUser': option("the services' own account, in project services", name, (known) =>
    isController(known) ? 'dcmanager' : 'platform',
  ),
  'identity.servicePasswordFile': option('file (0600) with the password of that account', path, inVar('secrets', 'service-password')),
  'identity.adminPasswordFile': option<string | undefined>(
    "file (0600) with the admin's first password; without it the identity service makes one",
    path,
    () => undefined,
    { optional: true },
  ),
  services: option('services that this site runs', listOf(...serviceNames), (known) =>
    serviceNames.filter(
      (service) =>
        ((service !== 'dcmanager' && service !== 'image') || isController(known)) &&
        (service !== 'identity' || known['identity.mode'] !== 'external'),
    ),
  ),
  roles: option('parts of the services that this process runs', listOf('api', 'manager', 'audit', 'state'), () => [
    'api' as const,
    'manager' as const,
    'audit' as const,
    'state' as const,
  ]),
  dataUrl: option(
    'database; {service} stands for the name of a service, {region} for the region of the site',
    url(
      ['sqlite', 'postgres', 'postgresql', 'redis', 'rediss', 'redis+cluster', 'rediss+cluster'],
      'sqlite:/var/lib/murmuration/{service}.db, postgres://user@host/murmuration?schema={service} or redis://host:6379?namespace=murmuration-{service}',
    ),
    (known) => `sqlite:${inVar('data', '{service}.db')(known)}`,
    { show: redactUrl },
  ),
  busUrl: option('messages between processes', url(['in-process', 'nats'], 'in-process: or nats://127.0.0.1:4222'), () => 'in-process:', {
    show: redactUrl,
  }),
  'networks.management.subnet': option('management network', subnet, (known) => around(known).subnet),
  'networks.management.start': option('first address of the pool; other sites reach this one there', address, (known) =>
    String(known['address']),
  ),
  'networks.management.end': option('last address of the pool', address, (known) => around(known).last),
  'networks.management.gateway': option('gateway to the other sites', address, (known) => around(known).first),
  'networks.management.floating': option('address that follows the active controller', address, (known) => String(known['address'])),
  'networks.oam.subnet': option('network of the operators', subnet, (known) => around(known).subnet),
  'networks.oam.gateway': option('gateway of that network', address, (known) => around(known).first),
  'networks.oam.floating': option('address that the operators use', address, (known) => String(known['address'])),
  'tls.caFile': option("certificate of the controller's authority", path, (known) =>
    isController(known) ? inVar('ca', 'ca.pem')(known) : inVar('tls', 'ca.pem')(known),
  ),
  'tls.clientCaFile': option('certificates of the authorities whose system controllers may speak to the agent', path, (known) =>
    String(known['tls.caFile']),
  ),
  'tls.certFile': option('certificate of the site', path, inVar('tls', 'site.pem')),
  'tls.keyFile': option('its private key (0600)', path, inVar('tls', 'site.key')),
  playbooksFolder: option('playbooks of the subcloud operations', path, () => shippedPlaybooks),
  'playbooks.connection': option('how playbooks reach the host of a subcloud', oneOf('ssh', 'local'), () => 'ssh'),
  'playbooks.murmurCommand': option<readonly string[] | undefined>(
    'command (a list: program, arguments) that starts a site on the host of a subcloud',
    commandLine,
    () => undefined,
    { optional: true },
  ),
  'playbooks.sshUser': option('user on the hosts of subclouds', text(/^[a-z_][a-z0-9_-]{0,31}$/, 'a user name'), () => 'sysadmin'),
  'playbooks.sshPort': option('port of their SSH service', integer(1, 65_535, 'a port'), () => 22),
  'playbooks.sitesFolder': option('folder on the host of a subcloud in which its site lives', path, (known) =>
    known['playbooks.connection'] === 'local' ? inVar('sites')(known) : join(homeOf(String(known['playbooks.sshUser'])), 'sites'),
  ),
  'playbooks.sshKeyFile': option<string | undefined>('SSH key (0600) for the hosts of subclouds', path, () => undefined, {
    optional: true,
  }),
  'playbooks.processes': option(
    'playbooks at once in one manager, each some 60 MiB; operations beyond that wait for their turn',
    integer(8, 1_000, 'a count'),
    () => 48,
  ),
  'backup.concurrency': option(
    'backups, and deletions of backups, under way at once in one manager',
    integer(1, 1_000, 'a count'),
    () => 250,
  ),
  'backup.restoreConcurrency': option('restores under way at once in one manager', integer(1, 1_000, 'a count'), () => 100),
  'backup.keep': option('backups kept of one subcloud and release; older ones are removed', integer(1, 1_000, 'a count'), () => 3),
  'backup.quotaBytes': option(
    'bytes of all backups at the system controller; a backup that would pass it fails before it runs',
    integer(1, Number.MAX_SAFE_INTEGER, 'a number of bytes'),
    () => 100 * 1024 ** 3,
  ),
  'audit.intervalMs': option('time between two audits of a subcloud', seconds('milliseconds', 86_400_000), () => 30_000),
  'audit.failuresToOffline': option('failed audits in a row until a subcloud is offline', integer(1, 100, 'a count'), () => 2),
  'audit.requestDeadlineMs': option('time for all of one audit', seconds('milliseconds', 600_000), () => 30_000),
  'audit.concurrency': option('audits at once in one process', integer(1, 5_000, 'a count'), () => 256),
  'image.dataApi': option(
    'how the image API reaches its data: its database, or the registry of another node',
    oneOf('direct', 'registry'),
    () => 'direct',
  ),
  'image.registryUrl': option(
    'that registry',
    (raw, context) => url(['https'], 'https://192.168.204.2:9191')(raw, context).replace(/\/+$/, ''),
    (known) => `https://${hostInUrl(String(known['address']))}:${String(known['ports.imageRegistry'])}`,
  ),
  'image.stores': option<readonly ImageStore[]>(
    'where bytes of images lie, as <id>=file:<folder> or <id>=s3:<URL>/<bucket>; the first is the default',
    imageStores,
    (known) => [{ id: 'local', type: 'file', folder: inVar('images')(known) }],
    { show: (stores) => stores.map(showImageStore).join(', ') },
  ),
  'image.stagingFolder': option('bytes between stage and import', path, inVar('image-staging')),
  'image.s3CredentialsFile': option('JSON file (0600) with the keys of S3 stores, by store id', path, inVar('secrets', 'image-s3.json')),
  'image.importMethods': option(
    'ways to import images that callers may use',
    listOf('glance-direct', 'web-download', 'copy-image'),
    () => ['glance-direct', 'web-download', 'copy-image'] as const,
  ),
  'image.importSchemes': option('URLs that web-download may fetch', listOf('http', 'https'), () => ['http', 'https'] as const),
  'image.importHosts': option<readonly string[]>(
    'hosts that web-download may fetch from, as name, *.domain or address; none: any',
    several(text(/^(?:\*\.)?[a-z0-9]([a-z0-9.:-]*[a-z0-9])?$/, 'a host name in small letters, *.domain, or an address')),
    () => [],
  ),
  'image.importPorts': option<readonly number[]>('ports that web-download may fetch from', several(integer(1, 65_535, 'a port')), () => [
    80, 443,
  ]),
  'image.importNetworks': option<readonly string[]>(
    'networks that are not public and that web-download may reach nevertheless',
    several(subnet),
    () => [],
  ),
  'image.sizeCapBytes': option('largest image', integer(1, Number.MAX_SAFE_INTEGER, 'bytes'), () => 1_099_511_627_776),
  'image.storageQuotaBytes': option(
    "bytes of one project's images, all copies counted; 0: no limit",
    integer(0, Number.MAX_SAFE_INTEGER, 'bytes'),
    () => 0,
  ),
  'image.countQuota': option('images of one project; 0: no limit', integer(0, 1_000_000_000, 'a count'), () => 0),
  'image.locations': option(
    'shown: images tell where their data is, and PATCH may set it (show_multiple_locations of the original)',
    oneOf('hidden', 'shown'),
    () => 'hidden' as const,
  ),
  policyFile: option<string | undefined>(
    'policy rules of the operator, on top of the defaults; {service} stands for the name of a service',
    path,
    () => undefined,
    { optional: true },
  ),
} as const

export type OptionPath = keyof typeof options
export type Values = { readonly [P in OptionPath]: ReturnType<(typeof options)[P]['parse']> }

/** `ports.identityTls` → `MURMUR_PORTS_IDENTITY_TLS`. */
export const environmentName = (optionPath: string): string =>
  `MURMUR_${optionPath
    .replaceAll('.', '_')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toUpperCase()}`
