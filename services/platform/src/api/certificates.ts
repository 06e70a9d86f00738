import { isUniqueViolation } from '@murmuration/data'
import { readMultipart } from '@murmuration/http'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { CertificateRefused, readCertificates, type CertificateFacts } from '../rules/certificates.ts'
import { addCertificates, listCertificates, removeCertificate } from '../store/certificates.ts'
import * as wire from '../wire/resources.ts'
import { oneOf } from './patch.ts'
import type { Room, Routes } from './room.ts'

const get = { config: { policy: 'platform_api:certificates:get' } }
const modify = { config: { policy: 'platform_api:certificates:modify' } }
const Id = Type.Object({ id: Type.String() })
const modeOf = oneOf('ssl_ca', 'openldap_ca', 'docker_registry', 'kubernetes-root-ca')

export const certificates: Routes = (app, room) => {
  const { database, now } = room
  const all = async () => [...(await ofSite(room)), ...(await listCertificates(database))].map(wire.certificate)

  app.get('/v1/certificate', get, async () => ({ certificates: await all() }))
  app.get('/v1/certificate/:id', { ...get, schema: { params: Id } }, async ({ params }) => {
    const found = (await all()).find((certificate) => certificate.uuid === params.id)
    if (found === undefined) throw errors.notFound({ what: 'Certificate', ref: params.id })
    return found
  })

  /** Multipart (`mode`, file `file`) as the field's clients send it, or JSON with the PEM text in `file`. */
  app.post('/v1/certificate/certificate_install', { config: { ...modify.config, stream: true } }, async (request) => {
    const form = await readMultipart(request, { allowed: ['mode', 'file', 'force'], maxFileBytes: 256 * 1024, maxParts: 3 })
    const certtype = modeOf(form.fields['mode'] ?? 'ssl_ca', 'mode')
    const read = parse(form.files['file']?.data.toString('utf8') ?? form.fields['file'] ?? '')
    const created_at = now()
    try {
      const added = await addCertificates(
        database,
        read.map((facts) => ({ ...facts, certtype, created_at })),
      )
      return { certificates: added.map(wire.certificate), success: `${added.length} installed`, error: '' }
    } catch (error) {
      if (isUniqueViolation(error)) throw errors.taken({ what: 'Certificate', ref: read.map((facts) => facts.subject).join('; ') })
      throw error
    }
  })

  app.delete('/v1/certificate/:id', { ...modify, schema: { params: Id } }, async ({ params }) => {
    if ((await ofSite(room)).some((certificate) => certificate.uuid === params.id)) throw errors.siteCertificate({ ref: params.id })
    const removed = await removeCertificate(database, params.id)
    if (removed === undefined) throw errors.notFound({ what: 'Certificate', ref: params.id })
    return wire.certificate(removed)
  })
}

function parse(pem: string): CertificateFacts[] {
  try {
    return readCertificates(pem)
  } catch (error) {
    if (error instanceof CertificateRefused)
      throw errors.certificateRefused({ why: error.message, remedy: error.remedy }, { field: 'file' })
    throw error
  }
}

/** What the site itself serves with, read from its files: always what is in force. */
async function ofSite({ world, config }: Room): Promise<(CertificateFacts & { certtype: string; created_at: string })[]> {
  const read = async (path: string, certtype: string) => {
    const bytes = await world.files.read(path)
    if (bytes === undefined) return []
    try {
      return readCertificates(new TextDecoder().decode(bytes)).map((facts) => ({ ...facts, certtype, created_at: facts.start_date }))
    } catch (error) {
      world.log.warn('a certificate of the site can not be read', { path, error: String(error) })
      return []
    }
  }
  return [...(await read(config.tls.certFile, 'dc-cert')), ...(await read(config.tls.caFile, 'ssl_ca'))]
}
