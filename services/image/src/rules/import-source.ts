import ipaddr from 'ipaddr.js'

/** What the operator allows web-download to reach. */
export interface SourceRules {
  readonly importSchemes: readonly string[]
  /** Names, `*.domain` or addresses; empty: any. */
  readonly importHosts: readonly string[]
  readonly importPorts: readonly number[]
  /** Networks that may be reached although they are not public. */
  readonly importNetworks: readonly string[]
}

const uriMostChars = 2_048
const defaultPorts: Readonly<Record<string, number>> = { http: 80, https: 443 }

/** Why an image must not be fetched from there, in words for who asked; the URL when it may (attacks 12). Never says what stands before an @. */
export function readSource(uri: string, rules: SourceRules): URL | string {
  if (uri.length > uriMostChars) return `the URL has more than ${uriMostChars} characters`
  // What readers of URLs drop or turn into something else: each of them would see another host.
  if (!/^[!-[\]-~]+$/.test(uri)) return 'host not allowed: the URL holds characters that do not belong there'
  const [, scheme = '', authority = ''] = /^([a-z]+):\/\/([^/?#]*)/i.exec(uri) ?? []
  if (!rules.importSchemes.includes(scheme.toLowerCase())) return `only URLs with ${rules.importSchemes.join(' or ')} are fetched`
  const url = URL.parse(uri)
  if (url === null || url.hostname === '') return 'host not allowed: the URL can not be read'
  if (url.username !== '' || url.password !== '' || authority.includes('@')) return 'host not allowed: credentials do not belong into a URL'
  // 0x7f000001, 2130706433, 127.1 and dots of other alphabets: only one way to write a host is taken.
  if (authority.toLowerCase().replace(/:\d*$/, '') !== url.hostname) return 'host not allowed: it is not written in its usual form'
  const port = url.port === '' ? defaultPorts[scheme.toLowerCase()]! : Number(url.port)
  if (!rules.importPorts.includes(port)) return `port ${port} is not allowed`
  const host = hostOf(url)
  if (rules.importHosts.length > 0 && !rules.importHosts.some((allowed) => matches(host, allowed))) return `host not allowed: ${host}`
  return (ipaddr.isValid(host) ? addressProblem(host, rules) : undefined) ?? url
}

/** Without the brackets of IPv6. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '')

const matches = (host: string, allowed: string): boolean => (allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed)

/** Public addresses only, unless the operator opened the network: nothing of this machine, its neighbours, or in an IPv4 that hides in IPv6. */
export function addressProblem(text: string, rules: Pick<SourceRules, 'importNetworks'>): string | undefined {
  if (!ipaddr.isValid(text)) return 'host not allowed: it has no address'
  const address = ipaddr.parse(text)
  const opened = rules.importNetworks.some((network) => {
    const [base, bits] = ipaddr.parseCIDR(network)
    return base.kind() === address.kind() && address.match(base, bits)
  })
  if (opened) return undefined
  const open = address.range() === 'unicast' && (address.kind() === 'ipv4' || address.match(globalUnicast))
  return open ? undefined : `host not allowed: ${address.toString()} is not a public address`
}

const globalUnicast = ipaddr.parseCIDR('2000::/3') as [ipaddr.IPv6, number]

/** For tasks and logs: a query may hold a signature that opens the door. */
export const shownSource = (uri: string): string => uri.replace(/[?#].*$/s, (rest) => `${rest[0]}…`)
