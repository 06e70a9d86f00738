import { randomBytes } from 'node:crypto'
import type { World } from '@murmuration/world'

/** For this package's tests: files in memory with their modes, a clock that stands still, real randomness. */
export function memoryWorld(nowMs = 1_800_000_000_000) {
  const files = new Map<string, { data: Uint8Array; mode: number }>()
  const clock = { nowMs }
  const world = {
    clock: { nowMs: () => clock.nowMs, monotonicMs: () => clock.nowMs },
    random: { bytes: (count: number) => new Uint8Array(randomBytes(count)) },
    files: {
      read: async (path: string) => files.get(path)?.data,
      mode: async (path: string) => files.get(path)?.mode,
      write: async (path: string, data: string | Uint8Array, options?: { mode?: number }) => {
        files.set(path, { data: typeof data === 'string' ? new TextEncoder().encode(data) : data, mode: options?.mode ?? 0o600 })
      },
    },
  } as unknown as World
  return { world, files, clock, text: (path: string) => new TextDecoder().decode(files.get(path)?.data) }
}

/** The same text with one bit of one character changed. */
export function flipBit(text: string, position: number, bit: number): string {
  const bytes = Buffer.from(text, 'latin1')
  bytes[position % bytes.length]! ^= 1 << bit
  return bytes.toString('latin1')
}
