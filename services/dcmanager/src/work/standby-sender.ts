import {
  PeerRefused,
  type PeerCall,
  type PeerClient,
  type StandbyDocument,
  type StandbyOutcome,
  type SubcloudThere,
} from '@murmuration/clients'
import { standbyClass } from '../rules/migration-conclusions.ts'
import { standbyCopyLimits } from '../rules/standby-copies.ts'
import type { Documents } from '../store/documents.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { atOnce } from './at-once.ts'
import { isUnreachable, peerFailureOf } from './peers.ts'
import { IncompleteRehomeData, standbyDocumentOf } from './standby-document.ts'

export interface MemberToSend {
  readonly row: SubcloudRow
  readonly documents: Documents
  /** Its copy, when the list of the group there has one. */
  readonly there: SubcloudThere | undefined
}

/** To whom, and how. */
export interface StandbyRoute {
  readonly client: PeerClient
  readonly groupIdThere: number
  /** Gateway that subclouds use at that site. */
  readonly gateway: string
  /** Copies that the peer takes in one request; undefined: it is of another kind, or older. */
  readonly standbysAtOnce: number | undefined
  /** Members that are sent one by one at a time. */
  readonly membersAtOnce: number
  readonly call: PeerCall
}

/** Called once for each member: undefined when the peer has it, otherwise why not. */
export type Told<M> = (member: M, why: string | undefined) => void

export interface StandbySender {
  /** Rejects when there is nobody to talk to; what was told before stays true. */
  send<M extends MemberToSend>(members: readonly M[], told: Told<M>): Promise<void>
}

/**
 * Sends standby copies: many in a request to peers that take that, each with two or three requests to others. A request that is
 * refused as a whole is sent again one by one, and so is all that follows: what a peer said it takes may have changed since.
 */
export function createStandbySender(route: StandbyRoute): StandbySender {
  const { client, groupIdThere, call } = route
  let together = route.standbysAtOnce === undefined ? undefined : Math.min(route.standbysAtOnce, standbyCopyLimits.entries)

  return {
    async send(members, told) {
      const whole: Whole<(typeof members)[number]>[] = []
      for (const member of members) {
        try {
          whole.push({ member, document: standbyDocumentOf(member.row, member.documents, route.gateway) })
        } catch (error) {
          if (!(error instanceof IncompleteRehomeData)) throw error
          told(member, error.message)
        }
      }
      const { parts, large } = together === undefined ? { parts: [], large: whole } : cutInRequests(whole, together)
      for (const part of parts) {
        const outcomes = together === undefined ? undefined : await writeTogether(part)
        if (outcomes === undefined) large.push(...part)
        else for (const { member } of part) told(member, reasonOf(outcomes.get(member.row.region_name)))
      }
      await atOnce(route.membersAtOnce, large, async ({ member, document }) => told(member, await sendAlone(member, document)))
    },
  }

  /** Undefined when the peer does not take it like that. */
  async function writeTogether(part: readonly Whole<MemberToSend>[]): Promise<ReadonlyMap<string, StandbyOutcome> | undefined> {
    try {
      return await client.writeStandbys(
        groupIdThere,
        part.map(({ document }) => document),
        call,
      )
    } catch (error) {
      if (!(error instanceof PeerRefused)) throw error
      together = undefined
      return undefined
    }
  }

  async function sendAlone({ row, there }: MemberToSend, document: StandbyDocument): Promise<string | undefined> {
    try {
      // Not in the group there: it may be all the same, left by a sync that was interrupted in between.
      const found = there ?? (await client.subcloud(row.region_name, call)) ?? (await client.subcloud(row.name, call))
      if (found !== undefined && found.regionName !== row.region_name) return nameTaken
      if (found !== undefined && !standbyClass.has(found.deployStatus)) return notStandby(found.deployStatus)
      let copy = found === undefined ? await client.addStandby(document, call) : await client.updateStandby(row.region_name, document, call)
      if (copy.peerGroupId !== groupIdThere) copy = await client.joinGroup(row.region_name, groupIdThere, call)
      return standing(copy.deployStatus)
    } catch (error) {
      const why = peerFailureOf(error)
      if (why === undefined || isUnreachable(error) || call.signal?.aborted === true) throw error
      return why
    }
  }
}

interface Whole<M> {
  readonly member: M
  readonly document: StandbyDocument
}

/** Requests of limited entries and size; documents that no such request may hold go alone. */
function cutInRequests<M>(whole: readonly Whole<M>[], most: number): { parts: Whole<M>[][]; large: Whole<M>[] } {
  const parts: Whole<M>[][] = []
  const large: Whole<M>[] = []
  let left = 0
  for (const each of whole) {
    const { bootstrapValues, installValues = '' } = each.document
    const bytes = Buffer.byteLength(bootstrapValues) + Buffer.byteLength(installValues)
    if (Math.max(bootstrapValues.length, installValues.length) > standbyCopyLimits.documentBytes) {
      large.push(each)
      continue
    }
    const last = parts.at(-1)
    if (last === undefined || last.length >= most || bytes > left) {
      parts.push([each])
      left = standbyCopyLimits.sentBytes - bytes
    } else {
      last.push(each)
      left -= bytes
    }
  }
  return { parts, large }
}

const nameTaken = 'another subcloud has this name there'
const notStandby = (status: string): string => `it is ${status} there, and not a standby copy`
const standing = (status: string): string | undefined => (standbyClass.has(status) ? undefined : `its copy is ${status} there`)

function reasonOf(outcome: StandbyOutcome | undefined): string | undefined {
  switch (outcome?.outcome) {
    case undefined:
      return 'the peer did not say what became of it'
    case 'written':
      return standing(outcome.deployStatus)
    case 'name-taken':
      return nameTaken
    case 'not-standby':
      return notStandby(outcome.deployStatus)
    case 'refused':
      return outcome.refusal.message
  }
}
