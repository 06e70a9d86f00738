/** For contract suites: the same tests on every engine, each with a database of its own. */
export { eachEngine, testEngine, type TestEngine } from './engines.ts'
export { startPostgres, findPostgres, type PostgresServer } from './postgres.ts'
