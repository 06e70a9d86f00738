import { AsyncLocalStorage } from 'node:async_hooks'

/** The transaction that the present async context runs in, and those around it (of other databases). */
export interface Scope {
  /** The handle it belongs to; compared by identity. */
  readonly owner: object
  readonly outer: Scope | undefined
  /** False before BEGIN and after the end: what was started inside and goes on afterwards is free again. */
  active: boolean
  /** A statement lost against another transaction: the whole of it is worth another try, whatever error came out of it. */
  lostRace: boolean
}

const scopes = new AsyncLocalStorage<Scope | undefined>()

export const currentScope = (): Scope | undefined => scopes.getStore()
export const inScope = <T>(scope: Scope, work: () => Promise<T>): Promise<T> => scopes.run(scope, work)
/** For callbacks that must not think that they are still in the transaction which made them. */
export const outsideScopes = <T>(work: () => T): T => scopes.run(undefined, work)

/** Whether the caller runs inside an open transaction of this handle. */
export function insideTransactionOf(owner: object): boolean {
  for (let scope = currentScope(); scope; scope = scope.outer) if (scope.owner === owner && scope.active) return true
  return false
}
