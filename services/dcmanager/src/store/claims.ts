import { bulkInsert, isUniqueViolation, timestamp, type Database, type Transaction } from '@murmuration/data'
import { cancel, enqueue, SubjectBusy, type Enqueue } from '@murmuration/jobs'
import type { Keyring, Secret } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { errors } from '../errors.ts'
import { ruleOf, type DeployStatus } from '../rules/lifecycle.ts'
import { requireVerb } from '../rules/management.ts'
import { exclusiveKeyOf, type DeployInput, type OperationName, type Phase, type RehomeInput } from '../rules/operations.ts'
import { sharedDocuments } from '../rules/replicated.ts'
import type { NetworkKeys } from '../rules/addresses.ts'
import { resetAlarms } from './alarms.ts'
import { recordChanges } from './changes.ts'
import { readDocuments, writeDocuments, type Documents } from './documents.ts'
import { defaultGroupId, findGroup } from './groups.ts'
import { remember, type Remembered } from './idempotency.ts'
import { findConflict, lockNetworks, reserveNetwork } from './networks.ts'
import { queued, runningOperation } from './operations.ts'
import { touchMember } from './peer-groups.ts'
import { endpointTypes, type Schema } from './schema.ts'
import { readSubcloud, updateSubcloud, type SubcloudColumns, type SubcloudRow } from './subclouds.ts'

/**
 * Requests are accepted here and nowhere else: one transaction reads the row, asks the rule, writes what the caller will see and
 * adds the job. It commits whole, or the caller gets a refusal and nothing has changed (DESIGN §3.2).
 */
export interface Desk {
  readonly database: Database<Schema>
  readonly world: World
  readonly keyring: Keyring
  /** Tells managers to look now. Called after a commit; may be lost. */
  wakeManagers(): void
  /** Tells auditors to look now. */
  wakeAuditors(subcloudIds: readonly number[]): void
  /** Tells readers of the change stream to look now. */
  wakeReaders(): void
}

/** Who asks, and what to replay when the same request comes again. */
export interface Asker {
  readonly userId: string
  readonly requestId: string
  /** Present when the request carries an Idempotency-Key. */
  readonly repeat?: { readonly key: string; readonly digest: string }
}

/** The answer that belongs to a result: what is sent now, and what a repeated request is sent. */
export type AnswerOf<T> = (result: T) => string

/** Runs one claim. All the `claim…` functions below go through it. */
export async function claim<T>(desk: Desk, asker: Asker, answerOf: AnswerOf<T>, work: (tx: Transaction<Schema>) => Promise<T>): Promise<T> {
  try {
    return await desk.database.transaction(async (tx) => {
      const result = await work(tx)
      tx.afterCommit(() => desk.wakeReaders())
      if (asker.repeat !== undefined) {
        const answer: Remembered = { digest: asker.repeat.digest, status: 200, body: answerOf(result) }
        await remember(tx, desk.world, desk.keyring, asker.userId, asker.repeat.key, answer)
      }
      return result
    })
  } catch (error) {
    if (error instanceof SubjectBusy) throw busy(error)
    throw error
  }
}

/** 409 naming what runs, in the words of what it runs on. */
function busy({ running }: SubjectBusy): Error {
  const [what, id = ''] = (running?.subject ?? '').split(':')
  const details = { operation: running?.kind ?? 'unknown', id }
  if (what === 'association') return errors.associationBusy(details)
  if (what === 'peer-group') return errors.peerGroupBusy(details)
  return errors.subjectBusy(details)
}

// --- a new subcloud ------------------------------------------------------------------------------------------------

/** What a row is made of, whatever becomes of it then. */
export interface SubcloudToAdd {
  readonly columns: Pick<
    SubcloudRow,
    | 'name'
    | 'description'
    | 'location'
    | 'software_version'
    | 'region_name'
    | 'management_subnet'
    | 'management_gateway_ip'
    | 'management_start_ip'
    | 'management_end_ip'
    | 'systemcontroller_gateway_ip'
    | 'external_oam_subnet_ip_family'
    | 'data_install'
    | 'bootstrap_address'
  >
  /** Id as text; default group when absent. */
  readonly groupId: string | undefined
  readonly documents: Documents
  readonly network: NetworkClaim
}

export interface NewSubcloud extends SubcloudToAdd {
  readonly operation: 'subcloud.add' | 'subcloud.create'
  readonly phases: readonly Phase[]
  readonly sysadminPassword: Secret | undefined
}

/** Addresses that a request wants for its subcloud. */
export interface NetworkClaim {
  readonly keys: NetworkKeys
  readonly oam: { readonly first: string; readonly last: string } | undefined
  /** The member that named the range, for the refusal. */
  readonly field: string
}

export interface Claimed {
  readonly row: SubcloudRow
  readonly jobId: string
}

export const claimNewSubcloud = (desk: Desk, asker: Asker, answerOf: AnswerOf<Claimed>, given: NewSubcloud): Promise<Claimed> =>
  refusingTwins(given.columns.name, () =>
    claim(desk, asker, answerOf, async (tx) => {
      const row = await insertSubcloud(desk, tx, given, 'not-deployed')
      const jobId = await enqueueDeploy(desk, tx, asker, given.operation, row, given)
      return { row, jobId }
    }),
  )

/**
 * A standby copy of a subcloud of a peer site (reference dcmanager §1.7 `secondary`): there is nothing to do at the subcloud until it is
 * migrated here, so it is what it will be when this returns.
 */
export const claimSecondary = (desk: Desk, asker: Asker, answerOf: AnswerOf<SubcloudRow>, given: SubcloudToAdd): Promise<SubcloudRow> =>
  refusingTwins(given.columns.name, () => claim(desk, asker, answerOf, (tx) => insertSubcloud(desk, tx, given, 'secondary')))

/** Accepts a subcloud that another system controller has deployed (reference dcmanager §1.7 `migrate`): its takeover begins at once. */
export const claimForeign = (
  desk: Desk,
  asker: Asker,
  answerOf: AnswerOf<Claimed>,
  given: SubcloudToAdd & { readonly sysadminPassword: Secret },
): Promise<Claimed> =>
  refusingTwins(given.columns.name, () =>
    claim(desk, asker, answerOf, async (tx) => {
      const added = await insertSubcloud(desk, tx, given, 'not-deployed')
      const row = await write(desk, tx, added, { initial_deployment: 0 })
      const input: RehomeInput = {
        subcloudId: row.id,
        peerGroupId: null,
        witnessed: false,
        sysadminPassword: desk.keyring.seal(given.sysadminPassword, `subcloud:${row.id}:sysadmin_password`),
      }
      return { row, jobId: await enqueueOperation(desk, tx, asker, 'subcloud.rehome', row.id, input) }
    }),
  )

async function insertSubcloud(desk: Desk, tx: Transaction<Schema>, given: SubcloudToAdd, deployStatus: DeployStatus): Promise<SubcloudRow> {
  const { world, keyring } = desk
  // Names and ranges are claimed under one lock, so two requests at the same time get one answer each: yes and no.
  await lockNetworks(tx)
  const { name, region_name: region } = given.columns
  const twin = await tx.query
    .selectFrom('subclouds')
    .select(['id', 'name', 'region_name'])
    .where((eb) => eb.or([eb('name', 'in', [name, region]), eb('region_name', 'in', [name, region])]))
    .executeTakeFirst()
  if (twin !== undefined && (twin.name === name || twin.region_name === name)) throw errors.nameTaken({ name }, { field: 'name' })
  if (twin !== undefined) throw errors.regionTaken({ region }, { field: 'region_name' })
  const group = await findGroup(tx, given.groupId ?? String(defaultGroupId))
  if (group === undefined) throw errors.groupInvalid({ group: given.groupId ?? defaultGroupId }, { field: 'group_id' })
  await refuseConflict(tx, given.network)

  const at = timestamp(world.clock.nowMs())
  const row = await tx.query
    .insertInto('subclouds')
    .values({
      ...given.columns,
      management_state: 'unmanaged',
      availability_status: 'offline',
      deploy_status: deployStatus,
      error_description: 'No errors present',
      openstack_installed: 0,
      first_identity_sync_complete: 0,
      enrolled_with_vcsr: 0,
      rehomed: 0,
      group_id: group.id,
      initial_deployment: 1,
      revision: 1,
      created_at: at,
      updated_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  await bulkInsert(
    tx,
    'subcloud_status',
    endpointTypes.map((type) => ({
      subcloud_id: row.id,
      endpoint_type: type,
      sync_status: 'unknown',
      created_at: at,
      updated_at: null,
    })),
  )
  await bulkInsert(tx, 'subcloud_audits', [{ subcloud_id: row.id, next_audit_at: at }])
  await resetAlarms(tx, world, [row.id])
  await reserveNetwork(tx, row.id, 'current', given.network.keys)
  await writeDocuments(tx, world, keyring, row.id, given.documents)
  await recordChanges(tx, world, [{ subcloudId: row.id, kind: 'created', columns: row }])
  return row
}

async function refusingTwins<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    // Where the look above and the insert are not one moment for an engine, its constraint speaks.
    if (isUniqueViolation(error) && /name/.test(error.constraint ?? '')) throw errors.nameTaken({ name }, { field: 'name' })
    throw error
  }
}

/** 400 when another subcloud holds some of the addresses. Under `lockNetworks`, so that the answer stays true until the commit. */
export async function refuseConflict(tx: Transaction<Schema>, network: NetworkClaim, exceptSubcloudId?: number): Promise<void> {
  const conflict = await findConflict(tx, network.keys, network.oam, exceptSubcloudId)
  if (conflict?.what === 'range') throw errors.networkOverlap({ field: network.field, other: conflict.name }, { field: network.field })
  if (conflict?.what === 'oam')
    throw errors.oamOverlap({ field: 'external_oam_subnet', other: conflict.name }, { field: 'bootstrap_values.external_oam_subnet' })
}

// --- an operation on a subcloud that is there ------------------------------------------------------------------------

export interface Decision {
  readonly columns: SubcloudColumns
  /** To be stored; kinds that are absent stay as they are. */
  readonly documents: Documents
  readonly operation: OperationName
  readonly phases: readonly Phase[]
}

export interface FlowRequest {
  readonly sysadminPassword: Secret | undefined
  /** Present when new bootstrap values move the subcloud to other addresses. */
  readonly network?: NetworkClaim
  /** A rule that needs to look beyond the row; throws the refusal. */
  require?(tx: Transaction<Schema>, row: SubcloudRow): Promise<void>
  /** Throws the refusal, or says what is to be written and run. Gets what is true inside the transaction; documents in clear. */
  decide(row: SubcloudRow, stored: Documents): Decision
}

export function claimFlow(
  desk: Desk,
  asker: Asker,
  answerOf: AnswerOf<Claimed>,
  subcloudId: number,
  request: FlowRequest,
): Promise<Claimed> {
  return claim(desk, asker, answerOf, async (tx) => {
    const row = await requireRow(tx, subcloudId)
    await request.require?.(tx, row)
    const decision = request.decide(row, await readDocuments(tx, desk.keyring, subcloudId))
    if (request.network !== undefined) {
      await lockNetworks(tx)
      await refuseConflict(tx, request.network, subcloudId)
      await reserveNetwork(tx, subcloudId, 'current', request.network.keys)
    }
    await writeDocuments(tx, desk.world, desk.keyring, subcloudId, decision.documents)
    const written = await write(desk, tx, row, decision.columns)
    if (sharedDocuments.some((kind) => decision.documents[kind] !== undefined)) await touchMember(tx, desk.world, [subcloudId])
    const jobId = await enqueueDeploy(desk, tx, asker, decision.operation, written, { ...request, phases: decision.phases })
    return { row: written, jobId }
  })
}

function enqueueDeploy(
  desk: Desk,
  tx: Transaction<Schema>,
  asker: Asker,
  operation: OperationName,
  row: SubcloudRow,
  given: { readonly phases: readonly Phase[]; readonly sysadminPassword: Secret | undefined },
): Promise<string> {
  const input: DeployInput = {
    subcloudId: row.id,
    phases: given.phases,
    release: row.software_version,
    ...(given.sysadminPassword === undefined
      ? {}
      : { sysadminPassword: desk.keyring.seal(given.sysadminPassword, `subcloud:${row.id}:sysadmin_password`) }),
  }
  return enqueueOperation(desk, tx, asker, operation, row.id, input)
}

/** Adds the job of an operation in the claim's transaction; managers are told after the commit. */
export const enqueueOperation = <Input>(
  desk: Desk,
  tx: Transaction<Schema>,
  asker: Asker,
  operation: OperationName,
  subcloudId: number,
  input: Input,
): Promise<string> => enqueueOn(desk, tx, asker, operation, exclusiveKeyOf(subcloudId), input)

/** The same for whatever an operation works on: `association:3`, `peer-group:2`. */
export async function enqueueOn<Input>(
  desk: Desk,
  tx: Transaction<Schema>,
  asker: Asker,
  operation: OperationName,
  subject: string,
  input: Input,
): Promise<string> {
  const job: Enqueue<Input> = {
    subject,
    input,
    requestedBy: asker.userId,
    requestId: asker.requestId,
  }
  const id = await enqueue(tx, desk.world, queued<Input>(operation), job)
  tx.afterCommit(() => desk.wakeManagers())
  return id
}

/** Asks for the end of the running phase: the row says so at once, the manager ends the processes and writes how it went. */
export function claimAbort(desk: Desk, asker: Asker, answerOf: AnswerOf<SubcloudRow>, subcloudId: number): Promise<SubcloudRow> {
  return claim(desk, asker, answerOf, async (tx) => {
    const row = await requireRow(tx, subcloudId)
    requireVerb(row, 'abort')
    const running = await runningOperation(tx, subcloudId)
    const { abort } = ruleOf(row.deploy_status)
    if (running === undefined || abort === undefined || !(await cancel(tx, desk.world, running.id, 'aborted by request')))
      throw errors.notRunning()
    tx.afterCommit(() => desk.wakeManagers())
    return write(desk, tx, row, { deploy_status: abort.to })
  })
}

/** 409 when an operation (one of `kinds`, if given) works on the subcloud or waits for its turn. */
export async function requireNoOperation(tx: Transaction<Schema>, subcloudId: number, kinds?: readonly OperationName[]): Promise<void> {
  const running = await runningOperation(tx, subcloudId)
  if (running !== undefined && (kinds === undefined || (kinds as readonly string[]).includes(running.kind)))
    throw errors.subjectBusy({ operation: running.kind, id: subcloudId })
}

export async function requireRow(tx: Transaction<Schema>, subcloudId: number): Promise<SubcloudRow> {
  const row = await readSubcloud(tx, subcloudId)
  if (row === undefined) throw errors.subcloudNotFound()
  return row
}

/** Writes over exactly the row that the rule was asked about. */
export async function write(desk: Desk, tx: Transaction<Schema>, row: SubcloudRow, columns: SubcloudColumns): Promise<SubcloudRow> {
  const written = await updateSubcloud(tx, desk.world, row.id, columns, { revision: row.revision })
  if (written === undefined) throw errors.conflictingChange()
  return written
}
