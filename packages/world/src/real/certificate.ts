import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type { Server } from 'node:http'
import { Server as TlsServer } from 'node:tls'
import type { Log, ServerTls } from '../world.ts'

interface Material {
  readonly cert: string
  readonly key: string
  readonly ca?: string
}

export interface ServerCertificate {
  readonly options: Material & { readonly minVersion: 'TLSv1.2'; readonly requestCert: boolean; readonly rejectUnauthorized: boolean }
  /** Gives changed files to the server; connections that exist go on with what they had. Returns the way to stop. */
  watch(server: Server, everyMs: number, log: Log): () => void
}

/** Reads the files once, so that a wrong path or a key of another certificate is known at start. */
export async function openCertificate(files: ServerTls): Promise<ServerCertificate> {
  // Stamped before reading: a change in between is then seen as one, never missed.
  let stamp = await stampOf(files)
  const material = await read(files)
  const mutual = files.clientCaFile !== undefined

  return {
    options: { ...material, minVersion: 'TLSv1.2', requestCert: mutual, rejectUnauthorized: mutual },
    watch(server, everyMs, log) {
      let looking = false
      let refused = ''
      const look = async (): Promise<void> => {
        const now = await stampOf(files)
        if (now === stamp) return
        const changed = await read(files)
        if (!(server instanceof TlsServer)) return
        server.setSecureContext({ ...changed, minVersion: 'TLSv1.2' })
        stamp = now
        refused = ''
        log.info('certificate reloaded', {
          certFile: files.certFile,
          notAfter: new X509Certificate(changed.cert).validToDate.toISOString(),
        })
      }
      const timer = setInterval(() => {
        if (looking) return
        looking = true
        look()
          .catch((error: Error) => {
            // Files that are being replaced do not fit for a moment. Say it once; the old certificate stays in use.
            if (refused !== error.message) log.warn('changed certificate files not usable yet', { certFile: files.certFile, error })
            refused = error.message
          })
          .finally(() => {
            looking = false
          })
      }, everyMs)
      timer.unref()
      return () => clearInterval(timer)
    },
  }
}

async function read(files: ServerTls): Promise<Material> {
  const [cert, key, ca] = await Promise.all([
    readFile(files.certFile, 'utf8'),
    readFile(files.keyFile, 'utf8'),
    files.clientCaFile === undefined ? undefined : readFile(files.clientCaFile, 'utf8'),
  ])
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    throw new Error(`${files.keyFile} is not the key of the certificate in ${files.certFile}`)
  }
  return { cert, key, ...(ca === undefined ? {} : { ca }) }
}

/** Changes whenever a file is written or replaced. */
async function stampOf(files: ServerTls): Promise<string> {
  const paths = [files.certFile, files.keyFile, files.clientCaFile].filter((path) => path !== undefined)
  const statuses = await Promise.all(paths.map((path) => stat(path, { bigint: true })))
  return statuses.map((status) => `${status.ino}:${status.size}:${status.mtimeNs}`).join(' ')
}
