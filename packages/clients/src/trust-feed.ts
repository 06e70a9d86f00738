import type { Revocation, VerificationKey } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { readAnswer, SiteAnswerRefused, type Answer } from './answer.ts'
import { requestAuthorised } from './authorised.ts'
import { startDeadline } from './deadline.ts'
import { AuthenticationFailed, type KeystoneSession } from './keystone-session.ts'

/** What is needed to judge a token without asking: who signs, with which keys, and what was revoked. */
export interface Trust {
  readonly issuer: string
  readonly keys: readonly VerificationKey[]
  readonly revocations: readonly Revocation[]
}

export interface TrustFeed {
  start(): void
  stop(): void
  /** Knowledge that is at most 5 s old, without asking. */
  current(): Trust | undefined
  /** The same: asks once now when it is older. Undefined when it can't be had. */
  fresh(): Promise<Trust | undefined>
  /** Knowledge from after this call; undefined when it can't be had, or was asked for a moment ago. */
  renewed(): Promise<Trust | undefined>
}

export const pollMs = 2_000
export const maxAgeMs = 5_000
/** Callers with forged tokens can't make us ask more often than this. */
const leastPauseMs = 250
const refusedPauseMs = { first: 2_000, most: 30_000 }
const deadlineMs = 2_000
const maxAnswerBytes = 8 * 1024 * 1024
/** Those of one token lifetime; more than this is no longer a list to go through for every new token. */
const maxRevocations = 100_000
const maxPages = 100

export function createTrustFeed(world: World, options: { identityUrl: string; session: KeystoneSession; onChange: () => void }): TrustFeed {
  const site = `identity at ${options.identityUrl}`
  let known: { trust: Trust; sequence: number; asOfMs: number } | undefined
  let running: Promise<void> | undefined
  let notBeforeMs = Number.NEGATIVE_INFINITY
  let refusedPause = refusedPauseMs.first
  let failing = false
  let timer: { cancel(): void } | undefined
  let started = false

  const askOnce = async (): Promise<{ more: boolean; changed: boolean }> => {
    const asOfMs = world.clock.monotonicMs()
    const deadline = startDeadline(world, deadlineMs, site)
    const response = await requestAuthorised(world, options.session, deadline, {
      method: 'GET',
      url: `${options.identityUrl}/murmuration/trust?after=${known?.sequence ?? 0}`,
      maxResponseBytes: maxAnswerBytes,
    })
    const before = known
    const { trust: told, sequence, more } = readTrust(readAnswer(site, response, [200]))
    // A smaller number than ours: their database was restored from a backup, and everything was told again.
    const kept = before !== undefined && sequence >= before.sequence && told.issuer === before.trust.issuer ? before.trust.revocations : []
    const trust = { ...told, revocations: [...kept.filter((entry) => entry.expiresAtMs > world.clock.nowMs()), ...told.revocations] }
    if (trust.revocations.length > maxRevocations) throw new SiteAnswerRefused(site, `there are more than ${maxRevocations} revocations`)
    // Half of what is revoked is not knowledge to judge by.
    known = { trust, sequence, asOfMs: more ? Number.NEGATIVE_INFINITY : asOfMs }
    const changed =
      told.revocations.length > 0 || told.issuer !== before?.trust.issuer || JSON.stringify(told.keys) !== JSON.stringify(before.trust.keys)
    return { more, changed }
  }
  const poll = async (): Promise<void> => {
    notBeforeMs = world.clock.monotonicMs() + leastPauseMs
    try {
      for (let page = 1, more = true; more; page += 1) {
        if (page > maxPages) throw new SiteAnswerRefused(site, `there are more than ${maxPages} pages`)
        const answer = await askOnce()
        if (answer.changed) options.onChange()
        more = answer.more
      }
      refusedPause = refusedPauseMs.first
      if (failing) world.log.info('the identity service answers again', { identityUrl: options.identityUrl })
      failing = false
    } catch (error) {
      if (error instanceof AuthenticationFailed) {
        // A wrong password asked for again and again would lock the account.
        notBeforeMs = world.clock.monotonicMs() + refusedPause
        refusedPause = Math.min(refusedPause * 2, refusedPauseMs.most)
      }
      if (!failing) world.log.warn('revocations can not be read', { identityUrl: options.identityUrl, error })
      failing = true
    }
  }
  const ask = (): Promise<void> => {
    if (running === undefined && world.clock.monotonicMs() < notBeforeMs) return Promise.resolve()
    running ??= poll().finally(() => (running = undefined))
    return running
  }
  const since = (sinceMs: number): Trust | undefined => (known !== undefined && known.asOfMs >= sinceMs ? known.trust : undefined)
  const current = (): Trust | undefined => since(world.clock.monotonicMs() - maxAgeMs)
  const schedule = (): void => {
    if (!started) return
    timer = world.timers.after(pollMs, () => void ask().then(schedule))
  }

  return {
    start() {
      if (started) return
      started = true
      void ask().then(schedule)
    },
    stop() {
      started = false
      timer?.cancel()
    },
    current,
    async fresh() {
      return current() ?? (await ask(), current())
    },
    async renewed() {
      const sinceMs = world.clock.monotonicMs()
      if (running !== undefined) await running
      return since(sinceMs) ?? (await ask(), since(sinceMs))
    },
  }
}

function readTrust(answer: Answer): { trust: Trust; sequence: number; more: boolean } {
  const trust = answer.object()
  const optional = (entry: (name: string) => Answer, name: string): Record<string, string> =>
    entry(name).missing ? {} : { [name]: entry(name).text(255) }
  const told = {
    issuer: trust('issuer').text(255),
    keys: trust('keys')
      .list(100)
      .map((listed) => {
        const key = listed.object()
        return { id: key('id').text(255), publicKey: key('publicKey').text(1_024, /^[\x20-\x7e\r\n]+$/) }
      }),
    revocations: trust('revocations')
      .list(50_000)
      .map((listed) => {
        const entry = listed.object()
        return {
          sequence: entry('sequence').integer(0, Number.MAX_SAFE_INTEGER),
          atMs: entry('atMs').integer(0, Number.MAX_SAFE_INTEGER),
          expiresAtMs: entry('expiresAtMs').integer(0, Number.MAX_SAFE_INTEGER),
          ...optional(entry, 'auditId'),
          ...optional(entry, 'auditChainId'),
          ...optional(entry, 'userId'),
          ...optional(entry, 'projectId'),
          ...optional(entry, 'domainId'),
          ...optional(entry, 'roleId'),
          ...optional(entry, 'applicationCredentialId'),
        }
      }),
  }
  return {
    trust: told,
    sequence: trust('sequence').integer(0, Number.MAX_SAFE_INTEGER),
    more: !trust('more').missing && trust('more').boolean(),
  }
}
