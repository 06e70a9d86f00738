/** What follows from where (reference image §1.8). Status belongs to the server: no caller ever sets it. */
export const statuses = {
  queued: { next: ['saving', 'uploading', 'importing', 'active', 'deleted'] },
  saving: { next: ['active', 'killed', 'deleted', 'queued'] },
  uploading: { next: ['importing', 'queued', 'deleted'] },
  importing: { next: ['active', 'deleted', 'queued'] },
  active: { next: ['pending_delete', 'deleted', 'deactivated'] },
  killed: { next: ['deleted'] },
  pending_delete: { next: ['deleted', 'active'] },
  deactivated: { next: ['active', 'deleted'] },
  deleted: { next: [] },
} as const satisfies Record<string, { readonly next: readonly string[] }>

export type ImageStatus = keyof typeof statuses
export const allStatuses = Object.keys(statuses) as ImageStatus[]
export const isStatus = (text: unknown): text is ImageStatus => typeof text === 'string' && Object.hasOwn(statuses, text)
export const mayFollow = (from: ImageStatus, to: ImageStatus): boolean => (statuses[from].next as readonly string[]).includes(to)

/** From queued or uploading, these need both formats: bytes are judged by them. */
const needFormats: ReadonlySet<ImageStatus> = new Set(['saving', 'active', 'importing'])
export const needsFormats = (from: ImageStatus, to: ImageStatus): boolean =>
  (from === 'queued' || from === 'uploading') && needFormats.has(to)
/** Formats may change while nobody judges bytes by them, or has. An import does: it reads them once and writes what it found out at its end. */
export const formatsMayChange = (status: ImageStatus): boolean => status === 'queued'
