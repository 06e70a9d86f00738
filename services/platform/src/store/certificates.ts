import type { CertificateRow, Db } from './schema.ts'

export const listCertificates = (db: Db): Promise<CertificateRow[]> =>
  db.query.selectFrom('certificates').selectAll().orderBy('created_at').orderBy('uuid').execute()

/** Rejects with a unique violation when one of them is installed already; then none is. */
export const addCertificates = (db: Db, certificates: readonly CertificateRow[]): Promise<CertificateRow[]> =>
  db.query
    .insertInto('certificates')
    .values([...certificates])
    .returningAll()
    .execute()

export const removeCertificate = (db: Db, uuid: string): Promise<CertificateRow | undefined> =>
  db.query.deleteFrom('certificates').where('uuid', '=', uuid).returningAll().executeTakeFirst()
