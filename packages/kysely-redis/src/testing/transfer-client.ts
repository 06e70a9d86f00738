import { Kysely } from 'kysely'
import { RedisDialect } from '../dialect.ts'
import { withRetry } from '../retry.ts'
import { nodeEnvironment } from '../node.ts'

/** A process that moves amounts between accounts until it is killed, and says each that was committed. Arguments: url, namespace, own number. */
const [url = '', namespace = '', client = '0'] = process.argv.slice(2)
interface Accounts {
  accounts: { id: number; balance: number }
  moves: { id: string; amount: number }
}
const db = new Kysely<Accounts>({ dialect: new RedisDialect({ url, namespace, environment: nodeEnvironment }) })
for (let turn = 0; ; turn++) {
  const id = `${client}.${process.pid}.${turn}`
  await withRetry(
    db,
    nodeEnvironment,
    async (trx) => {
      for (const [account, amount] of [
        [1 + (turn % 4), -1],
        [1 + ((turn + 1) % 4), 1],
      ] as const)
        await trx
          .updateTable('accounts')
          .set((eb) => ({ balance: eb('balance', '+', amount) }))
          .where('id', '=', account)
          .execute()
      await trx.insertInto('moves').values({ id, amount: 1 }).execute()
    },
    { attempts: 1_000 },
  )
  process.stdout.write(`${id}\n`)
}
