/** The parts that benchmarks measure alone. */
export { readListQuery } from '../rules/list-query.ts'
export type { Caller } from '../store/caller.ts'
export { listImages } from '../store/list-images.ts'
export { migrations } from '../store/migrations/index.ts'
export type { Schema } from '../store/schema.ts'
