import { createDcagentClient, type DcagentClient } from '@murmuration/clients'
import type { Site } from '@murmuration/site'
import { Secret } from '@murmuration/trust'
import type { TlsIdentity } from '@murmuration/world'

/** A renewed certificate or password is used this much later at most; files are not read for every one of thousands of sites. */
const rereadMs = 5_000

/** The client towards the agents of all subclouds, with the service account and the certificate of this site. */
export function createAgentClient(site: Site): DcagentClient {
  const { config } = site
  const read = fileReader(site)
  let identity: TlsIdentity | undefined
  return createDcagentClient(site.world, {
    userName: config.identity.serviceUser,
    password: async () => new Secret((await read(config.identity.servicePasswordFile)).trim()),
    async tls() {
      const [ca, cert, key] = await Promise.all([read(config.tls.caFile), read(config.tls.certFile), read(config.tls.keyFile)])
      // Connections are pooled by identity: the same one as long as nothing changed.
      if (identity?.ca !== ca || identity.cert !== cert || identity.key !== key) identity = { ca, cert, key }
      return identity
    },
    ports: { identityTls: config.ports.identityTls, dcagentTls: config.ports.dcagentTls },
  })
}

function fileReader({ world }: Site): (path: string) => Promise<string> {
  const kept = new Map<string, { readonly text: Promise<string>; readonly untilMs: number }>()
  return (path) => {
    const nowMs = world.clock.monotonicMs()
    const known = kept.get(path)
    if (known !== undefined && nowMs < known.untilMs) return known.text
    const text = world.files.read(path).then((data) => {
      if (data === undefined) throw new Error(`${path} is missing; audits of subclouds need it`)
      return new TextDecoder().decode(data)
    })
    kept.set(path, { text, untilMs: nowMs + rereadMs })
    text.catch(() => kept.delete(path))
    return text
  }
}
