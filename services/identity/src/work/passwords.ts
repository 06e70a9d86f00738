import { argon2, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'
import type { Secret } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { errors } from '../errors.ts'
import type { IdentityLimits } from '../rules/limits.ts'

/** Argon2id with OWASP's first choice: 19 MiB, 2 passes, 1 lane; about 20 ms. They stand in every hash, so that they can be raised. */
const wanted = { memory: 19_456, passes: 2, parallelism: 1 } as const
const tagLength = 32

const argon2Async = promisify(argon2)
const scryptAsync = promisify<string | Buffer, Buffer, number, ScryptOptions, Buffer>(scrypt)
const argonPattern = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/
const bcryptPattern = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/
const scryptPattern = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/** Hashes and verifies beside the main thread, a few at a time: a flood of sign-ins can't take all memory or all cores. */
export interface Passwords {
  hash(password: Secret): Promise<string>
  /** With `undefined` (no such user, no password, locked) it takes the same time and answers false. */
  verify(password: Secret, hash: string | undefined): Promise<boolean>
  /** The hash was made by another algorithm or with other parameters than today's. */
  isOutdated(hash: string): boolean
  /**
   * Runs `attempt` when one of the slots is free. What it reads is then as fresh as can be: failures of guesses that were
   * sent in parallel are counted before the next guess is looked at. Rejects with 429 when too many wait.
   */
  attempt<T>(attempt: () => Promise<T>): Promise<T>
}

export function createPasswords(world: World, limits: Pick<IdentityLimits, 'hashConcurrency' | 'hashQueue'>): Passwords {
  const slots = createSlots(limits.hashConcurrency, limits.hashQueue)
  const hash = async (password: string) => {
    const nonce = Buffer.from(world.random.bytes(16))
    const tag = await argon2Async('argon2id', { message: password, nonce, tagLength, ...wanted })
    return `$argon2id$v=19$m=${wanted.memory},t=${wanted.passes},p=${wanted.parallelism}$${unpadded(nonce)}$${unpadded(tag)}`
  }
  return {
    hash: (password) => slots.run(() => hash(password.reveal())),
    async verify(password, known) {
      const text = password.reveal()
      if (known === undefined) {
        await hash(text)
        return false
      }
      return verifyKnown(text, known)
    },
    isOutdated(known) {
      const [, memory, passes, parallelism] = argonPattern.exec(known) ?? []
      return Number(memory) !== wanted.memory || Number(passes) !== wanted.passes || Number(parallelism) !== wanted.parallelism
    },
    attempt: (attempt) => slots.run(attempt),
  }
}

async function verifyKnown(password: string, known: string): Promise<boolean> {
  const argon = argonPattern.exec(known)
  if (argon !== null) {
    const [memory, passes, parallelism] = [Number(argon[1]), Number(argon[2]), Number(argon[3])]
    const expected = Buffer.from(argon[5]!, 'base64')
    const tag = await argon2Async('argon2id', {
      message: password,
      nonce: Buffer.from(argon[4]!, 'base64'),
      tagLength: expected.length,
      memory,
      passes,
      parallelism,
    })
    return timingSafeEqual(tag, expected)
  }
  if (bcryptPattern.test(known)) {
    // Loaded with the first user who came from Keystone and has not signed in since: a site of our own never needs it.
    const { verify } = await import('@node-rs/bcrypt')
    // Keystone cuts at 72 bytes, as bcrypt itself does; the hash was made that way.
    return verify(Buffer.from(password, 'utf8').subarray(0, 72), known.replace(/^\$2y\$/, '$2b$'))
  }
  const old = scryptPattern.exec(known)
  if (old !== null) {
    const expected = Buffer.from(old[5]!, 'base64')
    const cost = { N: 2 ** Number(old[1]), r: Number(old[2]), p: Number(old[3]), maxmem: 256 * 1024 * 1024 }
    return timingSafeEqual(await scryptAsync(password, Buffer.from(old[4]!, 'base64'), expected.length, cost), expected)
  }
  return false
}

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')

function createSlots(concurrency: number, maxWaiting: number): { run<T>(work: () => Promise<T>): Promise<T> } {
  let running = 0
  const waiting: (() => void)[] = []
  return {
    async run(work) {
      if (running < concurrency) running += 1
      else {
        if (waiting.length >= maxWaiting) throw errors.tooManySignIns()
        // The one that leaves hands its slot over: nobody overtakes the queue.
        await new Promise<void>((enter) => waiting.push(enter))
      }
      try {
        return await work()
      } finally {
        const next = waiting.shift()
        if (next === undefined) running -= 1
        else next()
      }
    },
  }
}
