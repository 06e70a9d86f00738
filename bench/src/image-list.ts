import { goal, listGoal, loadNow, measureLists, told, type Cost, type ListMeasured } from './list-load.ts'

const images = 10_000
const seconds = 1

/**
 * Issue 4 §4: p50 of a list of 100 among many images through the API, against a bare handler with the same bytes plus the same SQL alone; and
 * that the last page costs what the first one does.
 */
export async function imageList(): Promise<string[]> {
  const lines = [`${images} images with 3 properties, 2 tags and a location, 100 a page, newest first; SQLite; authenticated, one connection; ${loadNow()}`] // prettier-ignore
  for (const [who, role] of [
    ['an admin', 'admin'],
    ['a project that sees its own, shared and public ones', 'member'],
  ] as const) {
    const pages = await measureLists('./image-list-server.ts', [String(images), role], seconds)
    for (const [at, page] of pages.entries())
      lines.push(`${who}, ${told(`${['first', 'middle', 'last'][at]} page`, page)}${listGoal(page)}`)
    const [grown, grownCpu] = [growth(pages, 'p50Ms'), growth(pages, 'cpuMs')]
    lines.push(`${who}: the dearest page takes ${grown.toFixed(2)} times the first one, ${grownCpu.toFixed(2)} of its CPU, with the row of its marker read besides${goal(grown, grownCpu, 1.25)}`) // prettier-ignore
  }
  return lines
}

const growth = (pages: readonly ListMeasured[], by: keyof Cost): number => {
  const [first = 0, ...later] = pages.map(({ list }) => list[by])
  return Math.max(...later) / first
}
