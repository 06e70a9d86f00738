import { isUniqueViolation, type Database, type Transaction } from '@murmuration/data'
import { ApiError } from '@murmuration/http'
import { cancel, enqueue, liveJobFor, SubjectBusy, type Enqueue } from '@murmuration/jobs'
import type { Keyring, Secret } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { errors } from '../errors.ts'
import { ruleOf, type DeployStatus } from '../rules/lifecycle.ts'
import { requireVerb } from '../rules/management.ts'
import { exclusiveKeyOf, peerGroupKeyOf, type DeployInput, type OperationName, type Phase, type RehomeInput } from '../rules/operations.ts'
import { sharedDocuments } from '../rules/replicated.ts'
import { readDocuments, writeDocuments, type Documents } from './documents.ts'
import { remember, type Remembered } from './idempotency.ts'
import { findConflict, lockNetworks, reserveNetwork } from './networks.ts'
import { conflictRefusal, insertSubclouds, type Added, type NetworkClaim, type SubcloudToAdd } from './new-subclouds.ts'
import { queued, runningOperation } from './operations.ts'
import { announceChange, readPeerGroup, touchMember } from './peer-groups.ts'
import type { Schema } from './schema.ts'
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

export interface NewSubcloud extends SubcloudToAdd {
  readonly operation: 'subcloud.add' | 'subcloud.create'
  readonly phases: readonly Phase[]
  readonly sysadminPassword: Secret | undefined
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

/**
 * As `claimSecondary` for many of one peer, as members of a group here: one transaction, whose statements do not grow with them. In their
 * order: the row, or why this one is refused; nothing of it is written then.
 */
export async function claimStandbyCopies(
  desk: Desk,
  asker: Asker,
  given: readonly SubcloudToAdd[],
  peerGroupId: number,
): Promise<readonly Added[]> {
  if (given.length === 0) return []
  try {
    return await claim(
      desk,
      asker,
      () => '',
      async (tx) => {
        if ((await readPeerGroup(tx, peerGroupId)) === undefined) throw errors.peerGroupNotFound()
        const added = await insertSubclouds(desk, tx, given, 'secondary', peerGroupId)
        if (added.some((each) => !(each instanceof ApiError))) await announceChange(tx, desk.world, [peerGroupId])
        return added
      },
    )
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    if (given.length === 1) return [errors.nameTaken({ name: given[0]!.columns.name }, { field: 'name' })]
    // One of them met a request of somebody else: that one is to be told, and no other.
    const alone: Added[] = []
    for (const each of given) alone.push(...(await claimStandbyCopies(desk, asker, [each], peerGroupId)))
    return alone
  }
}

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
  const [added] = await insertSubclouds(desk, tx, [given], deployStatus)
  if (added instanceof ApiError) throw added
  return added!
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
  if (conflict !== undefined) throw conflictRefusal(network, conflict)
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

/** 409 while a migration of the peer group runs here: it goes by the group, its members and its associations, and would be lost with them. */
export async function requireQuietPeerGroup(tx: Transaction<Schema>, peerGroupId: number): Promise<void> {
  const running = await liveJobFor(tx, peerGroupKeyOf(peerGroupId))
  if (running !== undefined) throw errors.peerGroupBusy({ operation: running.kind, id: peerGroupId })
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
