/** For contract suites: the same tests on every engine, each with a database of its own. */
export { eachEngine, testEngine, testEngines, whyAbsent, type TestEngine, type TestEngineName } from './engines.ts'
export { startPostgres, findPostgres, type PostgresServer } from './postgres.ts'
