import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

/**
 * Random statements on every engine: `npm run fuzz:data -- 50000`, and with `--seed` the same ones again. One that gives something else on
 * one of them is made as small as it gets, printed, and kept as a file that `npm test` runs from then on.
 */
const { values, positionals } = parseArgs({ options: { seed: { type: 'string' } }, allowPositionals: true })
const statements = Number(positionals[0] ?? 10_000)
if (!Number.isSafeInteger(statements) || statements < 1) {
  process.stderr.write('usage: npm run fuzz:data -- [statements] [--seed number]\n')
  process.exit(2)
}
const { status } = spawnSync(process.execPath, ['--test', 'packages/data/src/differential.test.ts'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    MURMUR_FUZZ_STATEMENTS: String(statements),
    ...(values.seed === undefined ? {} : { MURMUR_FUZZ_SEED: values.seed }),
  },
})
process.exit(status ?? 1)
