import { execFile, spawn } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TestContext } from 'node:test'

const run = promisify(execFile)

export interface Sshd {
  readonly user: string
  readonly port: number
  /** Private key that may log in. */
  readonly keyFile: string
}

/** A private sshd with keys of its own, for this user only; it goes with the test. */
export async function startSshd(t: TestContext, folder: string, address: string, port: number): Promise<Sshd> {
  const [hostKey, keyFile] = [join(folder, 'host-key'), join(folder, 'client-key')]
  for (const file of [hostKey, keyFile]) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
  const { username, uid } = userInfo()
  // Only a daemon of root's asks for it.
  if (uid === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
  const config = join(folder, 'sshd_config')
  await writeFile(
    config,
    [
      `ListenAddress ${address}:${port}`,
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${keyFile}.pub`,
      `PidFile ${join(folder, 'sshd.pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      '',
    ].join('\n'),
  )
  await chmod(keyFile, 0o600)
  const daemon = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  daemon.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  t.after(() => {
    daemon.kill()
    // A session that is still open holds the other end.
    daemon.stderr.destroy()
  })
  for (let answers = false; !answers;) {
    if (daemon.exitCode !== null) throw new Error(`sshd ended: ${said}`)
    answers = await new Promise<boolean>((done) => {
      const socket = connect(port, address, () => {
        socket.destroy()
        done(true)
      })
      socket.on('error', () => setTimeout(() => done(false), 20))
    })
  }
  return { user: username, port, keyFile }
}
