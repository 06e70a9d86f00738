// `npm start`: sets the machine up, then hands over to the lab on the pinned Node. Signals reach the lab through the terminal's
// process group; when only this process gets one (a supervisor's TERM), it is passed on.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { environment, repository, setup } from './setup.mjs'

const node = setup('start')
const child = spawn(node, [join(repository, 'apps/murmur/src/main.ts'), 'lab', 'up', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: environment(),
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
