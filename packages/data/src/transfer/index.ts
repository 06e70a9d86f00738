export type { Cell, RowCells, TableSummary, TransferSource, TransferTable } from './source.ts'
export { createTableDigest } from './digest.ts'
export { summarize, withSnapshot } from './snapshot.ts'
export { copyDatabase, loadDatabase, type LoadOptions } from './load.ts'
