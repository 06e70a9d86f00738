import type { MemberRecord } from '../store/records.ts'
import { wireTime } from './times.ts'

export const memberToWire = (row: MemberRecord) => ({
  member_id: row.member,
  image_id: row.image_id,
  status: row.status,
  created_at: wireTime(row.created_at),
  updated_at: wireTime(row.updated_at),
  schema: '/v2/schemas/member',
})
