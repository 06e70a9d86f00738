import type { FastifyRequest } from 'fastify'
import { mayBePeer } from '../rules/peer-privileges.ts'
import { isPeerAccount } from '../store/system-peers.ts'
import type { ApiContext } from './context.ts'

/**
 * True for a request of a peer's dcmanager: its User-Agent, admin rights, and the account that the record of a system peer names here.
 * Such requests resolve region names, pass the rules that keep operators from changing standby copies, and read rehome data whole.
 */
export async function hasPeerPrivileges({ desk }: Pick<ApiContext, 'desk'>, request: FastifyRequest): Promise<boolean> {
  return mayBePeer(request.headers['user-agent'], request.identity) && (await isPeerAccount(desk.database, request.identity.userName))
}

/** Revision of the group's document that a peer of our kind says it has sent in whole; undefined for others, and from anybody else. */
export async function toldRevision(context: Pick<ApiContext, 'desk'>, request: FastifyRequest): Promise<number | undefined> {
  const text = request.headers['murmuration-revision']
  if (typeof text !== 'string' || !/^[0-9]{1,9}$/.test(text)) return undefined
  return (await hasPeerPrivileges(context, request)) ? Number(text) : undefined
}
