import ipaddr from 'ipaddr.js'
import type { OptionPath, Values } from './options.ts'

export interface Finding {
  readonly path: OptionPath
  readonly message: string
}

/** What single values can't show: each check names one option and the remedy. Only called when every value parses. */
export function crossChecks(values: Values): Finding[] {
  return [...ports(values), ...networks(values), ...services(values), ...perService(values)]
}

function* ports(values: Values): Generator<Finding> {
  const taken = new Map<number, string>()
  for (const [path, value] of Object.entries(values)) {
    if (!path.startsWith('ports.') || value === 0) continue
    const other = taken.get(Number(value))
    if (other !== undefined) yield { path: path as OptionPath, message: `port ${Number(value)} is taken by ${other}: give another port` }
    taken.set(Number(value), path)
  }
}

function* networks(values: Values): Generator<Finding> {
  for (const path of [
    'networks.management.start',
    'networks.management.end',
    'networks.management.gateway',
    'networks.management.floating',
  ] as const) {
    yield* inside(values, path, 'networks.management.subnet')
  }
  yield* inside(values, 'networks.oam.gateway', 'networks.oam.subnet')
  yield* inside(values, 'networks.oam.floating', 'networks.oam.subnet')
  const start = ipaddr.parse(values['networks.management.start']).toByteArray()
  const end = ipaddr.parse(values['networks.management.end']).toByteArray()
  if (start.length === end.length && Buffer.compare(Buffer.from(start), Buffer.from(end)) > 0) {
    yield {
      path: 'networks.management.end',
      message: `${values['networks.management.end']} comes before networks.management.start: give the last address of the pool`,
    }
  }
}

type NetworkPath = Extract<OptionPath, `networks.${string}`>

function* inside(values: Values, path: NetworkPath, network: NetworkPath): Generator<Finding> {
  const address = ipaddr.parse(values[path])
  const [base, bits] = ipaddr.parseCIDR(values[network])
  if (address.kind() !== base.kind() || !address.match(base, bits)) {
    yield { path, message: `${values[path]} is not in ${network} ${values[network]}: give an address of that subnet` }
  }
}

function* services(values: Values): Generator<Finding> {
  if (values.role === 'subcloud' && values.services.includes('dcmanager')) {
    yield { path: 'services', message: 'a subcloud has no dcmanager: leave it out, or give role: system-controller' }
  }
  if (values['identity.mode'] === 'external' && values.services.includes('identity')) {
    yield { path: 'services', message: 'identity.mode is external: leave identity out of services' }
  }
  if (!values['identity.url'].endsWith('/v3')) {
    yield { path: 'identity.url', message: "is not the version 3 API: give a URL that ends in /v3, like 'http://127.0.0.1:5000/v3'" }
  }
}

/** Each service has its own tables and its own rules: what they share must keep them apart. */
function* perService(values: Values): Generator<Finding> {
  if (values.services.length < 2) return
  if (!values.dataUrl.includes('{service}') && values.dataUrl !== 'sqlite::memory:') {
    yield {
      path: 'dataUrl',
      message: 'several services would share one database: put {service} into it, for example as ?schema={service} or ?namespace={service}',
    }
  }
  if (values.policyFile !== undefined && !values.policyFile.includes('{service}')) {
    yield { path: 'policyFile', message: 'several services would share one file: put {service} into its name' }
  }
}
