import { Type } from 'typebox'
import { flag, json } from '@murmuration/data'
import { errors } from '../errors.ts'
import { newId, revokeNow } from '../room.ts'
import { deleteDomain, findDomain, insertProject, listProjects, updateProject } from '../store/projects.ts'
import type { ProjectRow } from '../store/schema.ts'
import { extra, extraOf, options, optionsOf } from '../wire/bags.ts'
import { wireDomain } from '../wire/resources.ts'
import {
  Bag,
  baseUrl,
  duplicateIn,
  found,
  Id,
  list,
  Name,
  Nullable,
  pageQuery,
  readFlag,
  refuseImmutable,
  refusingDuplicates,
  Text,
  type Api,
} from './kit.ts'

const members = { description: Nullable(Text), enabled: Type.Optional(Type.Boolean()), options: Bag }
const known = ['name', 'tags', ...Object.keys(members)]
const DomainCreate = Type.Object({
  domain: Type.Object({ name: Name, explicit_domain_id: Type.Optional(Type.String({ pattern: '^[0-9a-f]{32}$' })), ...members }),
})
const DomainUpdate = Type.Object({ domain: Type.Object({ name: Type.Optional(Name), ...members }) })
const DomainList = Type.Object({ ...pageQuery, name: Type.Optional(Type.String()), enabled: Type.Optional(Type.String()) })
const DomainPath = Type.Object({ domain_id: Id })

export function domainRoutes({ app, room }: Api): void {
  app.post('/v3/domains', { config: { policy: 'identity:create_domain' }, schema: { body: DomainCreate } }, async (request, reply) => {
    const { domain } = request.body
    const row: ProjectRow = {
      id: domain.explicit_domain_id ?? newId(room),
      name: domain.name,
      domain_id: '',
      parent_id: '',
      is_domain: 1,
      enabled: flag(domain.enabled ?? true),
      description: domain.description ?? '',
      tags: json.write([]),
      options: optionsOf('resource', domain.options),
      extra: extraOf(domain, [...known, 'explicit_domain_id']),
    }
    await refusingDuplicates(duplicateIn('domain', row.name, ''), () => room.db.transaction((tx) => insertProject(tx, row)))
    return reply.code(201).send({ domain: wireDomain(row, baseUrl(request, room)) })
  })

  app.get('/v3/domains', { config: { policy: 'identity:list_domains' }, schema: { querystring: DomainList } }, async (request) => {
    const { query } = request
    const enabled = readFlag(query.enabled)
    const filter = { isDomain: true, name: query.name, enabled }
    return await list(request, room, 'domains', wireDomain, (page) => listProjects(room.db, filter, page))
  })

  app.get('/v3/domains/:domain_id', { config: { policy: 'in-handler' }, schema: { params: DomainPath } }, async (request) => {
    const { domain_id: id } = request.params
    request.authorize('identity:get_domain', { target: { domain_id: id } })
    return { domain: wireDomain(found('domain', id, await findDomain(room.db, id)), baseUrl(request, room)) }
  })

  app.patch(
    '/v3/domains/:domain_id',
    { config: { policy: 'identity:update_domain' }, schema: { params: DomainPath, body: DomainUpdate } },
    async (request) => {
      const { domain_id: id } = request.params
      const { domain } = request.body
      const row = await refusingDuplicates(duplicateIn('domain', domain.name ?? '', ''), () =>
        room.db.transaction(async (tx) => {
          const before = found('domain', id, await findDomain(tx, id))
          refuseImmutable('domain', id, options(before), domain)
          const after: ProjectRow = {
            ...before,
            name: domain.name ?? before.name,
            enabled: domain.enabled === undefined ? before.enabled : flag(domain.enabled),
            description: domain.description ?? before.description,
            options: optionsOf('resource', domain.options, options(before)),
            extra: extraOf(domain, known, extra(before)),
          }
          if (before.enabled === 1 && after.enabled === 0) {
            if (id === 'default') throw errors.defaultDomain()
            await revokeNow(room, tx, { domainId: id })
          }
          await updateProject(tx, id, after)
          return after
        }),
      )
      return { domain: wireDomain(row, baseUrl(request, room)) }
    },
  )

  app.delete(
    '/v3/domains/:domain_id',
    { config: { policy: 'identity:delete_domain' }, schema: { params: DomainPath } },
    async (request, reply) => {
      const { domain_id: id } = request.params
      await room.db.transaction(async (tx) => {
        const row = found('domain', id, await findDomain(tx, id))
        if (id === 'default') throw errors.defaultDomain()
        refuseImmutable('domain', id, options(row))
        if (row.enabled === 1) throw errors.domainEnabled()
        await deleteDomain(tx, id)
        await revokeNow(room, tx, { domainId: id })
      })
      return reply.code(204).send()
    },
  )
}
