import { flag } from '@murmuration/data'
import { Type, type Static, type TSchema } from 'typebox'
import { errors } from '../errors.ts'
import { cloudStatusOf } from '../rules/verdicts.ts'
import * as store from '../store/alarms.ts'
import type { AlarmRow } from '../store/schema.ts'
import { readSystem } from '../store/system.ts'
import * as wire from '../wire/resources.ts'
import { printable } from './patch.ts'
import type { Room, Routes } from './room.ts'

const get = { config: { policy: 'platform_api:alarms:get' } }
const modify = { config: { policy: 'platform_api:alarms:modify' } }
const Id = Type.Object({ id: Type.String() })
const text = (most: number) => Type.String({ minLength: 1, maxLength: most, pattern: printable })
const AlarmId = Type.String({ pattern: '^\\d{3}\\.\\d{3}$' })
const Severity = Type.Enum(['critical', 'major', 'minor', 'warning'])
const Key = Type.Object({ alarm_id: AlarmId, entity_instance_id: text(1_024) }, { additionalProperties: false })
const NewAlarm = Type.Object(
  {
    alarm_id: AlarmId,
    entity_instance_id: text(1_024),
    severity: Severity,
    reason_text: text(4_096),
    entity_type_id: Type.Optional(text(255)),
    alarm_type: Type.Optional(text(255)),
    probable_cause: Type.Optional(text(255)),
    proposed_repair_action: Type.Optional(text(4_096)),
    service_affecting: Type.Optional(Type.Boolean()),
    mgmt_affecting: Type.Optional(Type.Boolean()),
    degrade_affecting: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
const most = 1_000
const listOf = <T extends TSchema>(member: T) =>
  Type.Object({ alarms: Type.Array(member, { maxItems: most }) }, { additionalProperties: false })

export const alarms: Routes = (app, room) => {
  const { database } = room

  app.get(
    '/v1/alarms',
    {
      ...get,
      schema: {
        querystring: Type.Object(
          {
            alarm_id: Type.Optional(AlarmId),
            entity_instance_id: Type.Optional(text(1_024)),
            severity: Type.Optional(Severity),
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: most })),
            marker: Type.Optional(Type.String({ maxLength: 1_024 })),
          },
          { additionalProperties: false },
        ),
      },
    },
    async ({ query }) => {
      const { limit, marker, ...filter } = query
      const page = await store.listAlarms(database, filter, {
        ...(limit === undefined ? {} : { limit }),
        ...(marker === undefined ? {} : { marker }),
      })
      const following = new URLSearchParams({ ...filter, limit: String(limit), marker: page.next ?? '' })
      return {
        alarms: page.rows.map(wire.alarm),
        ...(page.next === undefined ? {} : { next: `/v1/alarms?${following.toString()}` }),
      }
    },
  )

  app.get('/v1/alarms/summary', get, async () => {
    const counts = await store.countAlarms(database)
    const { uuid } = await readSystem(database)
    const { warning: warnings, ...rest } = counts
    return { ...rest, warnings, status: cloudStatusOf(counts), system_uuid: uuid }
  })

  app.get('/v1/alarms/:id', { ...get, schema: { params: Id } }, async ({ params }) => {
    const found = await store.findAlarm(database, params.id)
    if (found === undefined) throw errors.notFound({ what: 'Alarm', ref: params.id })
    return wire.alarm(found)
  })

  /** Raising what is raised already changes its text and severity only. */
  app.post('/v1/alarms', { ...modify, schema: { body: NewAlarm } }, async ({ body }, reply) => {
    await store.raiseAlarms(database, [rowOf(room, body)])
    return reply.code(201).send(wire.alarm(await store.alarmOf(database, body)))
  })

  /** Any number at once: one statement. */
  app.post('/v1/alarms/raise', { ...modify, schema: { body: listOf(NewAlarm) } }, async ({ body }) => {
    await store.raiseAlarms(
      database,
      body.alarms.map((alarm) => rowOf(room, alarm)),
    )
    return { raised: body.alarms.length }
  })
  app.post('/v1/alarms/clear', { ...modify, schema: { body: listOf(Key) } }, async ({ body }) => ({
    cleared: await store.clearAlarms(database, body.alarms),
  }))

  app.delete('/v1/alarms/:id', { ...modify, schema: { params: Id } }, async ({ params }, reply) => {
    if (!(await store.clearAlarm(database, params.id))) throw errors.notFound({ what: 'Alarm', ref: params.id })
    return reply.code(204).send()
  })
  /** By what it is about: fine when it is not raised. */
  app.delete(
    '/v1/alarms',
    { ...modify, schema: { querystring: Type.Partial(Key, { additionalProperties: false }) } },
    async ({ query: { alarm_id, entity_instance_id } }, reply) => {
      if (alarm_id === undefined || entity_instance_id === undefined) throw errors.alarmFilter()
      await store.clearAlarms(database, [{ alarm_id, entity_instance_id }])
      return reply.code(204).send()
    },
  )
}

const rowOf = ({ world, now }: Room, alarm: Static<typeof NewAlarm>): AlarmRow => ({
  uuid: world.random.uuid(),
  alarm_id: alarm.alarm_id,
  entity_type_id: alarm.entity_type_id ?? 'system',
  entity_instance_id: alarm.entity_instance_id,
  severity: alarm.severity,
  reason_text: alarm.reason_text,
  alarm_type: alarm.alarm_type ?? 'operational-violation',
  probable_cause: alarm.probable_cause ?? 'unknown',
  proposed_repair_action: alarm.proposed_repair_action ?? '',
  service_affecting: flag(alarm.service_affecting ?? false),
  mgmt_affecting: flag(alarm.mgmt_affecting ?? false),
  degrade_affecting: flag(alarm.degrade_affecting ?? false),
  raised_at: now(),
})
