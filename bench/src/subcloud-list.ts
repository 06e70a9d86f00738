import { listGoal, loadNow, measureLists, told } from './list-load.ts'

const fleet = 5_000

/** Issue 2 §8: p50 of the whole list and of a page of 100, against a bare handler with the same bytes plus the same SQL alone. */
export async function subcloudList(): Promise<string[]> {
  const about = `${fleet} subclouds with 7 endpoint statuses, authenticated, one connection; ${loadNow()}`
  const [page, whole] = await measureLists('./list-server.ts', [String(fleet)], 3)
  return [about, `${told('page of 100', page!)}${listGoal(page!)}`, told('whole list', whole!)]
}
