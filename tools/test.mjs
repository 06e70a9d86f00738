// `npm test`: sets the machine up, then runs the whole suite on the pinned Node.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { environment, repository, setup } from './setup.mjs'

const node = setup('test')
const child = spawn(node, [join(repository, 'tools/test.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: environment(),
  cwd: repository,
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
// npm's shell does not pass a TERM on: when it is gone, what it started must not stay behind.
const parent = process.ppid
setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500).unref()
child.on('exit', (code) => process.exit(code ?? 1))
