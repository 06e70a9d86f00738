import { STATUS_CODES } from 'node:http'
import type { ApiError } from '../errors.ts'
import { prefersJson } from './accept.ts'
import { dcmanagerPage } from './page.ts'

/** How one API family spells its errors on the wire. */
export interface Faults {
  /** `accept` is the request's Accept header. Server faults arrive as a 500 ApiError without inner detail. */
  render(error: ApiError, accept: string | undefined): { contentType: string; body: string }
}

export const titleOf = (status: number): string => STATUS_CODES[status] ?? 'Error'

/** Message and remedy as one text of two sentences: old clients print one member only. */
export const sentenceOf = ({ message, hint }: ApiError): string =>
  hint === undefined ? message : `${message}${/[.!?:;]$/.test(message) ? '' : '.'} ${hint}`

/** `{"error":{"code":401,"title":"Unauthorized","message":"…"}}` */
export const keystoneFaults: Faults = {
  render: (error) => ({
    contentType: 'application/json',
    body: JSON.stringify({ error: { code: error.status, message: sentenceOf(error), title: titleOf(error.status) } }),
  }),
}

/** HTML for `*`+`/*`, `{"code","title","description"}` for JSON (reference dcmanager §1.2). */
export const dcmanagerFaults: Faults = {
  render: (error, accept) =>
    prefersJson(accept)
      ? {
          contentType: 'application/json',
          body: JSON.stringify({
            code: error.status,
            title: titleOf(error.status),
            description: sentenceOf(error),
            ...(error.field === undefined ? {} : { field: error.field }),
          }),
        }
      : { contentType: 'text/html; charset=UTF-8', body: dcmanagerPage(error.status, titleOf(error.status), sentenceOf(error)) },
}

/** `{"error_message": "{\"faultcode\":…,\"faultstring\":…}"}` of the platform API (pecan/wsme style). */
export const plainFaults: Faults = {
  render: (error) => ({
    contentType: 'application/json',
    // The inner document is text: the clients of that family decode it a second time.
    body: JSON.stringify({
      error_message: JSON.stringify({
        debuginfo: null,
        faultcode: error.status >= 500 ? 'Server' : 'Client',
        faultstring: sentenceOf(error),
      }),
    }),
  }),
}

/**
 * `{"message":"…","code":"404 Not Found","title":"Not Found"}` of the image API for who names JSON or says nothing, a page for `*`+`/*`: the
 * stock client breaks on this JSON, and reads pages (reference image §1.2).
 */
export const imageFaults: Faults = {
  render: (error, accept) =>
    accept === undefined || accept.trim() === '' || prefersJson(accept)
      ? {
          contentType: 'application/json',
          body: JSON.stringify({
            message: sentenceOf(error),
            code: `${error.status} ${titleOf(error.status)}`,
            title: titleOf(error.status),
          }),
        }
      : { contentType: 'text/html; charset=UTF-8', body: dcmanagerPage(error.status, titleOf(error.status), sentenceOf(error)) },
}
