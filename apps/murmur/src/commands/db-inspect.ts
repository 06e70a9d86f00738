import { checkDatabase, explainQuery } from '@murmuration/data'
import type { Kysely } from 'kysely'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { print } from '../terminal.ts'
import { countOf, printList, type CommonOptions } from './context.ts'
import { eachDatabase } from './db.ts'
import { serviceNamed } from './upkeep.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Fails with `refused` when anything is not as it must be. */
export async function check(world: World, environment: Environment, options: CommonOptions & { readonly site: string }): Promise<void> {
  const rows: { service: string; engine: string; tables: number; rows: number; problems: string }[] = []
  await eachDatabase(world, environment, options.site, async (service, database) => {
    const { problems, ...found } = await checkDatabase(database)
    rows.push({ service, engine: database.engine, ...found, problems: problems.join('; ') || 'none' })
  })
  printList(['service', 'engine', 'tables', 'rows', 'problems'], rows, options)
  if (rows.some((row) => row.problems !== 'none'))
    throw new CommandFailed(
      exitCodes.refused,
      'The databases are not as they must be.',
      'Restore a backup (murmur controller restore), or copy what can be read: murmur db copy',
    )
}

export interface ExplainOptions {
  readonly site: string
  readonly service: string
  readonly table: string
  readonly where?: readonly string[]
  readonly order?: readonly string[]
  readonly limit?: string
}

export async function explain(world: World, environment: Environment, options: ExplainOptions): Promise<void> {
  const wanted = serviceNamed(options.service)
  await eachDatabase(world, environment, options.site, async (service, database) => {
    if (service !== wanted) return
    // oxlint-disable-next-line typescript/no-explicit-any -- the table's name is the operator's
    let query = (database.query as Kysely<any>).selectFrom(options.table).selectAll()
    for (const condition of options.where ?? []) {
      const [, column, value] = /^(\w+)=(.*)$/s.exec(condition) ?? []
      if (column === undefined || value === undefined) throw new CommandFailed(exitCodes.usage, `--where ${condition}: give column=value.`)
      query = query.where(column, '=', value)
    }
    for (const column of options.order ?? []) query = query.orderBy(column.replace(/^-/, ''), column.startsWith('-') ? 'desc' : 'asc')
    if (options.limit !== undefined) query = query.limit(countOf('--limit', options.limit))
    for (const { step } of await explainQuery(database, query)) print(step)
  })
}
