// `npm start`: sets the machine up, then hands over to the lab on the pinned Node. Signals are passed on: a
// terminal's Ctrl-C reaches the lab twice then, which does no harm, and a supervisor's reaches it at all.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { environment, repository, setup } from './setup.mjs'

const node = setup('start')
const child = spawn(node, [join(repository, 'apps/murmur/src/main.js'), 'lab', 'up', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: environment(),
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
// npm's shell does not pass a TERM on: when it is gone, what it started must not stay behind.
const parent = process.ppid
setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500).unref()
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
