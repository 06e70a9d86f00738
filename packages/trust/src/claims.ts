import type { TokenClaims } from './token.ts'

const record = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
const isText = (value: unknown): value is string => typeof value === 'string'
const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isNamed = (value: unknown): boolean => isText(record(value)?.['id']) && isText(record(value)?.['name'])
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText)

function isScope(value: unknown): boolean {
  const scope = record(value)
  switch (scope?.['kind']) {
    case 'project':
      return isNamed(scope) && isNamed(scope['domain'])
    case 'domain':
      return isNamed(scope)
    case 'system':
    case 'unscoped':
      return true
    default:
      return false
  }
}

function isApplicationCredential(value: unknown): boolean {
  const credential = record(value)
  return value === undefined || (isText(credential?.['id']) && typeof credential?.['restricted'] === 'boolean')
}

/** The payload of a signed token when it has the agreed shape, else undefined: even our own signature does not excuse a wrong shape. */
export function readClaims(value: unknown): TokenClaims | undefined {
  const claims = record(value)
  if (claims === undefined) return undefined
  const user = record(claims['user'])
  const good =
    isText(claims['jti']) &&
    isTime(claims['iatMs']) &&
    isTime(claims['expMs']) &&
    isTime(claims['sequence']) &&
    isNamed(user) &&
    isNamed(user?.['domain']) &&
    Array.isArray(claims['roles']) &&
    claims['roles'].every(isNamed) &&
    isScope(claims['scope']) &&
    isTexts(claims['methods']) &&
    isTexts(claims['auditIds']) &&
    isApplicationCredential(claims['applicationCredential']) &&
    isText(claims['issuer'])
  return good ? (claims as unknown as TokenClaims) : undefined
}
