import type { App } from '@murmuration/http'
import type { Database } from '@murmuration/data'
import type { JobRow, StepRow } from '@murmuration/jobs'
import type { Site } from '@murmuration/site'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { readOperation, readOperations } from '../store/operations.ts'
import type { Schema } from '../store/schema.ts'
import { findSubcloud, idOf } from '../store/subclouds.ts'
import { operationToWire } from '../wire/operation.ts'
import { readLogTail } from '../work/operation-log.ts'

const limitDefault = 20
const limitMost = 100
const linesDefault = 50
const linesMost = 1_000

const Ref = Type.Object({ subcloud_ref: Type.String({ maxLength: 255 }) })
const OperationRef = Type.Object({ subcloud_ref: Type.String({ maxLength: 255 }), operation_id: Type.String({ maxLength: 64 }) })
const ListQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limitMost, default: limitDefault, description: 'Newest operations first.' })),
})
const ShowQuery = Type.Object({
  lines: Type.Optional(Type.Integer({ minimum: 0, maximum: linesMost, default: linesDefault, description: 'Last lines of the output.' })),
})

/** What ran on a subcloud: steps, outcome, and the end of what its playbooks printed. An addition to the reference. */
export function addOperationRoutes(app: App, room: { readonly site: Site; readonly database: Database<Schema> }): void {
  const { site, database } = room
  const config = { policy: 'dc_api:subclouds:get' }
  /** The id of a subcloud, also of one that is gone: what ran on it is kept for a while, its deletion above all. */
  const subcloudIdOf = async (ref: string): Promise<number> => {
    const subcloud = await findSubcloud(database, ref)
    const id = subcloud?.id ?? idOf(ref)
    if (id === undefined || (subcloud === undefined && (await readOperations(database, id, 1)).length === 0))
      throw errors.subcloudNotFound()
    return id
  }
  const wire = async (operation: { job: JobRow; steps: StepRow[] }, lines: number) =>
    operationToWire(operation, lines === 0 ? [] : await readLogTail(site, operation.job.id, lines))

  app.get(
    '/v1.0/subclouds/:subcloud_ref/operations',
    {
      config,
      schema: {
        summary: 'Operations of a subcloud, newest first; of one that was deleted by its id',
        tags: ['subclouds'],
        params: Ref,
        querystring: ListQuery,
      },
    },
    async (request) => {
      const id = await subcloudIdOf(request.params.subcloud_ref)
      const found = await readOperations(database, id, request.query.limit ?? limitDefault)
      // The output of the newest is what one looks for; those of older operations are shown one by one.
      return { operations: await Promise.all(found.map((operation, index) => wire(operation, index === 0 ? linesDefault : 0))) }
    },
  )

  app.get(
    '/v1.0/subclouds/:subcloud_ref/operations/:operation_id',
    {
      config,
      schema: { summary: 'One operation and the end of its output', tags: ['subclouds'], params: OperationRef, querystring: ShowQuery },
    },
    async (request) => {
      const id = await subcloudIdOf(request.params.subcloud_ref)
      const operation = await readOperation(database, id, request.params.operation_id)
      if (operation === undefined) throw errors.operationNotFound()
      return wire(operation, request.query.lines ?? linesDefault)
    },
  )
}
