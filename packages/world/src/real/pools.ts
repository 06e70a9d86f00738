import { createHash } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, createSecureContext, TLSSocket, type ConnectionOptions } from 'node:tls'
import { buildConnector, Client, Pool } from 'undici'
import type { TlsIdentity } from '../world.ts'
import type { NetworkLimits } from './network.ts'

/** The deadline of a request covers connecting too; this only ends an attempt that nobody waits for any more. */
const connectTimeoutMs = 15_000
/** A connection is renewed now and then, so that a renewed certificate is seen and a balancer can spread the load. */
const maxRequestsPerConnection = 500
/** Identities in use at once: ours, and ours before it was renewed, per authority. */
const maxConnectors = 32

type Connector = ReturnType<typeof buildConnector>

/** Connections to one origin under one TLS identity. */
export interface OriginPool {
  readonly dispatcher: Pool
  /** End of the certificate that the other side showed at the latest handshake. */
  peerCertificateNotAfterMs: number | undefined
}

/** Bounded: the least recently used pool is closed (its running exchanges finish) when another origin needs the place. */
export class Pools {
  readonly #limits: NetworkLimits
  readonly #byKey = new Map<string, OriginPool>()
  readonly #identityKeys = new WeakMap<TlsIdentity, string>()
  readonly #connectors = new Map<string, Connector>()

  constructor(limits: NetworkLimits) {
    this.#limits = limits
  }

  for(origin: string, tls: TlsIdentity | undefined): OriginPool {
    const identity = tls === undefined ? '' : this.#identityKey(tls)
    const key = `${origin} ${identity}`
    let pool = this.#byKey.get(key)
    if (pool === undefined) {
      pool = openPool(origin, () => this.#connector(identity, tls), this.#limits)
    } else {
      this.#byKey.delete(key)
    }
    // A Map keeps the order of insertion, so its first entry is always the one that was used least recently.
    this.#byKey.set(key, pool)
    if (this.#byKey.size > this.#limits.maxPools) this.#closeOldest()
    return pool
  }

  /** One connection to this address and to no other, for one exchange; no pool holds it. */
  pinned(origin: string, address: string, tls: TlsIdentity | undefined): Client {
    const connector = this.#connector(tls === undefined ? '' : this.#identityKey(tls), tls)
    return new Client(origin, {
      headersTimeout: 0,
      bodyTimeout: 0,
      // An address needs no look-up; the name is still asked for, and verified, in the handshake.
      connect: ({ hostname, ...options }, callback) =>
        connector({ ...options, hostname: address, host: options.host ?? hostname }, callback),
    })
  }

  get size(): number {
    return this.#byKey.size
  }

  async close(): Promise<void> {
    const pools = [...this.#byKey.values()]
    this.#byKey.clear()
    await Promise.all(pools.map((pool) => pool.dispatcher.destroy()))
  }

  #closeOldest(): void {
    for (const [key, pool] of this.#byKey) {
      this.#byKey.delete(key)
      pool.dispatcher.close().catch(() => {})
      return
    }
  }

  /** One for all origins of an identity: its parsed certificates and key take 40 KiB. Throws when they are not what they should be. */
  #connector(identity: string, tls: TlsIdentity | undefined): Connector {
    let connector = this.#connectors.get(identity)
    if (connector === undefined) {
      connector = buildConnector({
        ...tlsOptions(tls),
        allowH2: false,
        timeout: connectTimeoutMs,
        // A resumed session shows the certificate of the first handshake, not the renewed one.
        maxCachedSessions: 0,
      })
      if (this.#connectors.size >= maxConnectors) for (const oldest of this.#connectors.keys()) if (this.#connectors.delete(oldest)) break
      this.#connectors.set(identity, connector)
    }
    return connector
  }

  /** By content: a renewed certificate gets new connections, the same texts in another object share the old ones. */
  #identityKey(tls: TlsIdentity): string {
    let key = this.#identityKeys.get(tls)
    if (key === undefined) {
      const content = JSON.stringify([tls.ca, tls.cert, tls.key, tls.serverName])
      key = createHash('sha256').update(content).digest('base64url')
      this.#identityKeys.set(tls, key)
    }
    return key
  }
}

function openPool(origin: string, connector: () => Connector, limits: NetworkLimits): OriginPool {
  const pool: OriginPool = {
    peerCertificateNotAfterMs: undefined,
    dispatcher: new Pool(origin, {
      connections: limits.maxConnectionsPerPool,
      pipelining: 1,
      keepAliveTimeout: limits.keepAliveMs,
      keepAliveMaxTimeout: limits.keepAliveMs,
      maxRequestsPerClient: maxRequestsPerConnection,
      // The deadline of each request bounds the whole exchange.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect(options, callback) {
        connector()(options, (...[error, socket]) => {
          if (error !== null) return callback(error, null)
          pool.peerCertificateNotAfterMs = notAfterMs(socket) ?? pool.peerCertificateNotAfterMs
          callback(null, socket)
        })
      },
    }),
  }
  return pool
}

function tlsOptions(tls: TlsIdentity | undefined): ConnectionOptions {
  if (tls === undefined) return { minVersion: 'TLSv1.2' }
  const { serverName: name, ca, cert, key } = tls
  return {
    secureContext: createSecureContext({
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    }),
    ...(name === undefined ? {} : { checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate) }),
    // An address can't be asked for by name (RFC 6066 §3); it is still verified above.
    ...(name === undefined || isIP(name) !== 0 ? {} : { servername: name }),
  }
}

function notAfterMs(socket: Socket): number | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  const endMs = Date.parse(socket.getPeerCertificate().valid_to)
  return Number.isNaN(endMs) ? undefined : endMs
}
