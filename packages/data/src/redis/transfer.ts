import { checkReferences, deferReferences, describeTables, raiseCounter } from 'kysely-redis'
import type { TransferParts } from '../engine.ts'

export const redisTransfer: TransferParts = {
  async describe(query) {
    return (await query.executeQuery(describeTables)).rows
  },

  async deferReferences(query) {
    await query.executeQuery(deferReferences)
    return async () => {
      await query.executeQuery(checkReferences)
    }
  },

  async moveCounter(query, table, _column, last) {
    // It may be ahead already, which costs numbers and nothing else.
    await query.executeQuery(raiseCounter(table, last))
  },
}
