import type { ApiError } from '../errors.ts'

/** How one API family spells its errors on the wire. */
export interface Faults {
  /** `accept` is the request's Accept header. Server faults arrive as a 500 ApiError without inner detail. */
  render(error: ApiError, accept: string | undefined): { contentType: string; body: string }
}

/** `{"error":{"code":401,"title":"Unauthorized","message":"…"}}` */
export declare const keystoneFaults: Faults
/** HTML for `*`+`/*`, `{"code","title","description"}` for JSON (reference dcmanager §1.2). */
export declare const dcmanagerFaults: Faults
/** `{"error_message": "{\"faultcode\":…,\"faultstring\":…}"}` of the platform API (pecan/wsme style). */
export declare const plainFaults: Faults
