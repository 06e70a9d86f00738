import { X509Certificate } from 'node:crypto'
import { timestamp } from '@murmuration/data'
import { derivedUuid } from './identifiers.ts'

export interface CertificateFacts {
  readonly uuid: string
  readonly signature: string
  readonly subject: string
  readonly issuer: string
  readonly start_date: string
  readonly expiry_date: string
  readonly is_ca: 0 | 1
  readonly pem: string
}

/** Why a text is not taken as certificates, and what to send instead. */
export class CertificateRefused extends Error {
  readonly remedy: string
  constructor(why: string, remedy: string) {
    super(why)
    this.name = 'CertificateRefused'
    this.remedy = remedy
  }
}

export const maxCertificates = 64
const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,16384}?-----END CERTIFICATE-----/g

/** Reads every certificate of a PEM text; a private key in it is refused, so that none is ever stored. */
export function readCertificates(text: string): CertificateFacts[] {
  if (/PRIVATE KEY-----/.test(text))
    throw new CertificateRefused('it holds a private key', 'Send certificates only; the key stays where it is used.')
  const blocks = text.match(block) ?? []
  if (blocks.length === 0) throw new CertificateRefused('it holds no certificate', 'Send PEM text: -----BEGIN CERTIFICATE-----.')
  if (blocks.length > maxCertificates) throw new CertificateRefused(`it holds more than ${maxCertificates}`, 'Send them in parts.')
  return blocks.map((pem, index) => {
    try {
      return factsOf(pem)
    } catch {
      throw new CertificateRefused(`certificate ${index + 1} can not be read`, 'Send X.509 certificates as PEM text.')
    }
  })
}

function factsOf(pem: string): CertificateFacts {
  const certificate = new X509Certificate(pem)
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
  const oneLine = (name: string): string => name.replaceAll('\n', ', ')
  return {
    uuid: derivedUuid('certificate', fingerprint),
    signature: fingerprint,
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    start_date: timestamp(certificate.validFromDate.getTime()),
    expiry_date: timestamp(certificate.validToDate.getTime()),
    is_ca: certificate.ca ? 1 : 0,
    pem,
  }
}
