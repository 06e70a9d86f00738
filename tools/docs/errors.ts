import { dcmanagerErrors } from '@murmuration/dcmanager'
import type { ApiError } from '@murmuration/http'
import { identityErrors } from '@murmuration/identity'
import { imageErrors } from '@murmuration/image'
import { platformErrors } from '@murmuration/platform'
import { code, madeFrom, table } from './markdown.ts'

type Errors = Readonly<Record<string, (details?: Record<string, string>) => ApiError>>

const services: readonly (readonly [name: string, errors: Errors])[] = [
  ['dcmanager', dcmanagerErrors],
  ['identity', identityErrors],
  ['image', imageErrors],
  ['platform', platformErrors],
]

/** Details that give every place of a message its own name back: `{ref}` stays `{ref}`. */
const places = new Proxy<Record<string, string>>({}, { get: (_, name) => `{${String(name)}}` })

function rows(errors: Errors): string[][] {
  return Object.values(errors)
    .map((make) => make(places))
    .map((error) => [String(error.status), code(error.code), error.message, error.hint ?? ''])
    .toSorted((a, b) => Number(a[0]) - Number(b[0]))
}

/** docs/reference/errors.md */
export const errorsPage = (): string =>
  [
    madeFrom("the services' errors.ts"),
    '# Errors',
    'Each refusal of a service: what is said, and what to do about it. `{…}` stands for details of the request. The code is what the log\nsays; clients see status and text. Besides these, every service answers 401 without a valid token, 403 where a policy rule says no, 404 and\n405 for paths and methods that do not exist, 400 for input that does not fit its schema, 413 and 408 for a body that is too large or too slow,\nand 503 while it can not reach its database or verify tokens.',
    ...services.flatMap(([name, errors]) => [`## ${name}`, table(['status', 'code', 'message', 'what to do'], rows(errors))]),
    '',
  ].join('\n\n')
