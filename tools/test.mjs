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
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
child.on('exit', (code) => process.exit(code ?? 1))
