import { createHook } from 'node:async_hooks'
import { SimulationStuck } from './stuck.ts'

/** Product code that needs more turns for one event never comes to rest. */
const mostTurns = 1_000_000
/** Synchronous jobs leave entries behind that are swept when somebody looks, or at this number. */
const mostRequests = 10_000

const ticks = new Set<number>()
const immediates = new Set<number>()
/** Work in the thread pool (password hashes, key generation) and file reads by lazy imports. */
const requests = new Map<number, object>()
let ticksRun = 0
let webCryptoRunning = 0
let watching = false

const hook = createHook({
  init(id, type, _trigger, resource: object) {
    if (type === 'TickObject') ticks.add(id)
    else if (type === 'Immediate') immediates.add(id)
    else if (isRequest(type)) {
      if (requests.size >= mostRequests) isWorking()
      requests.set(id, resource)
    }
  },
  before: begun,
  destroy: begun,
  trackPromises: false,
})

/**
 * Starts to count ticks, immediates and thread-pool work of this process (async hooks without promises, about 0.01 µs each).
 * Done once, and for good: it is one process that all simulations in it share.
 */
export function watchActivity(): void {
  if (watching) return
  watching = true
  hook.enable()
  countWebCrypto()
}

/** Its jobs look to async hooks like synchronous ones, so we count its promises. */
function countWebCrypto(): void {
  const methods = SubtleCrypto.prototype as unknown as Record<string, unknown>
  for (const name of Object.getOwnPropertyNames(methods)) {
    const original = methods[name]
    if (name === 'constructor' || typeof original !== 'function') continue
    methods[name] = function counted(this: unknown, ...args: unknown[]): unknown {
      const result: unknown = Reflect.apply(original, this, args)
      if (result instanceof Promise) {
        webCryptoRunning += 1
        const over = (): void => {
          webCryptoRunning -= 1
        }
        result.then(over, over)
      }
      return result
    }
  }
}

/**
 * Resolves when all code has come to rest: no promise reaction, tick, immediate or thread-pool work is left, so that nothing
 * but the next event of virtual time can happen. Costs one tick (0.2 µs) when there is nothing to wait for.
 */
export function atRest(): Promise<void> {
  return new Promise((resolve, reject) => {
    let turns = 0
    let runBefore = 0
    const look = (): void => {
      // Our own tick is one. When another one ran in the same round, its promise reactions are still to come.
      const alone = ticksRun - runBefore <= 1
      if (alone && ticks.size === 0 && immediates.size === 0 && !isWorking()) return resolve()
      turns += 1
      if (turns > mostTurns) return reject(new SimulationStuck('product code goes on for ever without virtual time passing', []))
      // Through the promise reactions: a tick made in a tick runs before them, and would see nothing of what they begin.
      void Promise.resolve().then(turn)
    }
    const turn = (): void => {
      runBefore = ticksRun
      if (immediates.size > 0 || requests.size > 0 || webCryptoRunning > 0) setImmediate(look)
      else process.nextTick(look)
    }
    turn()
  })
}

function begun(id: number): void {
  if (ticks.delete(id)) ticksRun += 1
  else if (!immediates.delete(id)) requests.delete(id)
}

function isWorking(): boolean {
  let working = webCryptoRunning > 0
  for (const [id, resource] of requests) {
    // A synchronous use of the same class (crypto.randomBytes without a callback) has nobody to tell and is over already.
    if (resource.constructor.name.endsWith('Job') && !('ondone' in resource)) requests.delete(id)
    else working = true
  }
  return working
}

/** Node's names of thread-pool work; work of native add-ons comes without a name of its own. */
function isRequest(type: string): boolean {
  return type.endsWith('REQUEST') || type.startsWith('FSREQ') || type === 'FILEHANDLECLOSEREQ' || type === 'ZLIB' || type === 'undefined'
}
