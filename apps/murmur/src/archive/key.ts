import { text as readText } from 'node:stream/consumers'
import { keyFromPassphrase, keyFromText, type ArchiveKey } from '@murmuration/archive'
import { readPrivateFile, Secret } from '@murmuration/trust'
import type { Context } from '../commands/context.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { askSecret } from '../terminal.ts'

export interface KeyOptions {
  readonly passphraseFile?: string
  readonly keyFile?: string
}

/**
 * The key of an archive, from exactly one of: a private file (`-`: standard input), the environment, else the terminal. Never from the
 * command line, where every user of the machine could read it.
 */
export async function archiveKeyOf(context: Context, options: KeyOptions): Promise<ArchiveKey> {
  const { MURMUR_ARCHIVE_KEY: key = '', MURMUR_ARCHIVE_PASSPHRASE: passphrase = '' } = context.environment
  const given = [options.passphraseFile, options.keyFile, key, passphrase].filter((one) => one !== undefined && one !== '')
  if (given.length > 1) {
    throw new CommandFailed(
      exitCodes.usage,
      'More than one key for the archive was given.',
      'Give one of --passphrase-file, --key-file, MURMUR_ARCHIVE_PASSPHRASE and MURMUR_ARCHIVE_KEY.',
    )
  }
  if (options.keyFile !== undefined) return keyFromText(await secretIn(context, '--key-file', options.keyFile))
  if (options.passphraseFile !== undefined) return keyFromPassphrase(await secretIn(context, '--passphrase-file', options.passphraseFile))
  if (key !== '') return keyFromText(new Secret(key))
  if (passphrase !== '') return keyFromPassphrase(new Secret(passphrase))
  return keyFromPassphrase(await askSecret('Passphrase of the archive', 'MURMUR_ARCHIVE_PASSPHRASE'))
}

async function secretIn({ world }: Context, option: string, path: string): Promise<Secret> {
  if (path === '-' && process.stdin.isTTY) throw new CommandFailed(exitCodes.usage, `${option} -: nothing is piped into the command.`)
  const text = path === '-' ? await readText(process.stdin) : await readPrivateFile(world, path)
  if (text === undefined) throw new CommandFailed(exitCodes.usage, `${option} ${path}: there is no such file.`)
  return new Secret(text.replace(/\r?\n$/, ''))
}
