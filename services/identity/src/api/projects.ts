import { Type } from 'typebox'
import { flag, json } from '@murmuration/data'
import { errors } from '../errors.ts'
import { limits } from '../rules/limits.ts'
import { newId, revokeNow } from '../room.ts'
import {
  ancestors,
  deleteProject,
  findDomain,
  findProject,
  hasChildren,
  insertProject,
  listProjects,
  updateProject,
} from '../store/projects.ts'
import type { Db, ProjectRow } from '../store/schema.ts'
import { extra, extraOf, options, optionsOf } from '../wire/bags.ts'
import { wireProject } from '../wire/resources.ts'
import {
  authorizeList,
  Bag,
  baseUrl,
  callersDomain,
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
import { given } from '../rules/given.ts'

const Tags = Type.Optional(
  Type.Array(Type.String({ minLength: 1, maxLength: 255, pattern: '^[^,/]*$' }), { maxItems: 80, uniqueItems: true }),
)
const members = {
  description: Nullable(Text),
  domain_id: Nullable(Id),
  parent_id: Nullable(Id),
  enabled: Type.Optional(Type.Boolean()),
  is_domain: Type.Optional(Type.Boolean()),
  tags: Tags,
  options: Bag,
}
const known = ['name', ...Object.keys(members)]
const ProjectCreate = Type.Object({ project: Type.Object({ name: Name, ...members }) })
const ProjectUpdate = Type.Object({ project: Type.Object({ name: Type.Optional(Name), ...members }) })
const ProjectList = Type.Object({
  ...pageQuery,
  name: Type.Optional(Type.String()),
  domain_id: Type.Optional(Type.String()),
  parent_id: Type.Optional(Type.String()),
  enabled: Type.Optional(Type.String()),
  is_domain: Type.Optional(Type.String()),
})
const ProjectPath = Type.Object({ project_id: Id })

/** Where a new project stands: under a parent of the same domain, or at the top of the domain. */
async function placeOf(db: Db, wish: { domain_id?: string | null; parent_id?: string | null }, callersDomain: string) {
  const parent = given(wish.parent_id) ? await findProject(db, wish.parent_id) : undefined
  const domainId = wish.domain_id ?? parent?.domain_id ?? wish.parent_id ?? callersDomain
  found('domain', domainId, await findDomain(db, domainId))
  if (!given(wish.parent_id) || wish.parent_id === domainId) return { domainId, parentId: domainId }
  if (found('project', wish.parent_id, parent).domain_id !== domainId) throw errors.parentElsewhere()
  const above = await ancestors(db, parent!)
  if (above.length + 2 > limits.maxProjectDepth) throw errors.tooDeep({ id: parent!.id })
  return { domainId, parentId: parent!.id }
}

export function projectRoutes({ app, room }: Api): void {
  app.post('/v3/projects', { config: { policy: 'identity:create_project' }, schema: { body: ProjectCreate } }, async (request, reply) => {
    const { project } = request.body
    if (project.is_domain === true) throw errors.unsupported({ field: 'is_domain', reason: 'create a domain with POST /v3/domains.' })
    const make = (domainId: string, parentId: string): ProjectRow => ({
      id: newId(room),
      name: project.name,
      domain_id: domainId,
      parent_id: parentId,
      is_domain: 0,
      enabled: flag(project.enabled ?? true),
      description: project.description ?? '',
      tags: json.write(project.tags ?? []),
      options: optionsOf('resource', project.options),
      extra: extraOf(project, known),
    })
    const own = callersDomain(request)
    const row = await refusingDuplicates(duplicateIn('project', project.name, project.domain_id ?? own), () =>
      room.db.transaction(async (tx) => {
        const place = await placeOf(tx, project, own)
        const made = make(place.domainId, place.parentId)
        await insertProject(tx, made)
        return made
      }),
    )
    return reply.code(201).send({ project: wireProject(row, baseUrl(request, room)) })
  })

  app.get('/v3/projects', { config: { policy: 'in-handler' }, schema: { querystring: ProjectList } }, async (request) => {
    const { query } = request
    const domainId = authorizeList(request, room, 'identity:list_projects', query.domain_id)
    const enabled = readFlag(query.enabled)
    const isDomain = readFlag(query.is_domain) ?? false
    return await list(request, room, 'projects', wireProject, (page) =>
      listProjects(
        room.db,
        {
          isDomain,
          name: query.name,
          ...(domainId === undefined ? {} : isDomain ? { ids: [domainId] } : { domainId }),
          parentId: query.parent_id,
          enabled,
        },
        page,
      ),
    )
  })

  app.get('/v3/projects/:project_id', { config: { policy: 'in-handler' }, schema: { params: ProjectPath } }, async (request) => {
    const { project_id: id } = request.params
    const row = await findProject(room.db, id)
    request.authorize('identity:get_project', row === undefined ? {} : { target: { project: { id: row.id }, domain_id: row.domain_id } })
    return { project: wireProject(found('project', id, row), baseUrl(request, room)) }
  })

  app.patch(
    '/v3/projects/:project_id',
    { config: { policy: 'identity:update_project' }, schema: { params: ProjectPath, body: ProjectUpdate } },
    async (request) => {
      const { project_id: id } = request.params
      const { project } = request.body
      const row = await refusingDuplicates(duplicateIn('project', project.name ?? '', ''), () =>
        room.db.transaction(async (tx) => {
          const before = found('project', id, await findProject(tx, id))
          refuseImmutable('project', id, options(before), project)
          for (const field of ['domain_id', 'parent_id'] as const)
            if (given(project[field]) && project[field] !== before[field])
              throw errors.invalid({ field, reason: 'a project stays where it was created.' })
          if (project.is_domain === true) throw errors.invalid({ field: 'is_domain', reason: 'a project does not become a domain.' })
          const after: ProjectRow = {
            ...before,
            name: project.name ?? before.name,
            enabled: project.enabled === undefined ? before.enabled : flag(project.enabled),
            description: project.description ?? before.description,
            tags: project.tags === undefined ? before.tags : json.write(project.tags),
            options: optionsOf('resource', project.options, options(before)),
            extra: extraOf(project, known, extra(before)),
          }
          if (before.enabled === 1 && after.enabled === 0) {
            if (await hasChildren(tx, id, { enabledOnly: true })) throw errors.hasEnabledChildren({ id })
            await revokeNow(room, tx, { projectId: id })
          }
          await updateProject(tx, id, after)
          return after
        }),
      )
      return { project: wireProject(row, baseUrl(request, room)) }
    },
  )

  app.delete(
    '/v3/projects/:project_id',
    { config: { policy: 'identity:delete_project' }, schema: { params: ProjectPath } },
    async (request, reply) => {
      const { project_id: id } = request.params
      await room.db.transaction(async (tx) => {
        const row = found('project', id, await findProject(tx, id))
        refuseImmutable('project', id, options(row))
        if (await hasChildren(tx, id, { enabledOnly: false })) throw errors.hasChildren({ id })
        await deleteProject(tx, id)
        await revokeNow(room, tx, { projectId: id })
      })
      return reply.code(204).send()
    },
  )
}
