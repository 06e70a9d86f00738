import { ArchiveRefused, type ArchiveRefusal } from '@murmuration/archive'
import { CommandFailed, exitCodes, type ExitCode } from '../exit.ts'

/** How a command ends that could not use an archive, and what its operator may do. */
const refusals: Readonly<Record<ArchiveRefusal, readonly [code: ExitCode, hint?: string]>> = {
  missing: [exitCodes.notFound],
  'not-an-archive': [exitCodes.refused, 'Give a file that murmur controller backup or murmur site archive has made.'],
  'newer-format': [exitCodes.refused, 'Use the release that made the archive, or a later one.'],
  'wrong-key': [exitCodes.authentication, 'Give the passphrase or key that was in use when the archive was made.'],
  'wrong-kind-of-key': [
    exitCodes.authentication,
    'A passphrase: --passphrase-file or MURMUR_ARCHIVE_PASSPHRASE. A key: --key-file or MURMUR_ARCHIVE_KEY.',
  ],
  'bad-key': [exitCodes.usage],
  damaged: [exitCodes.refused, 'Nothing was changed. Use another copy of the archive, or an older archive.'],
  unsafe: [exitCodes.refused],
}

/** Runs a command; an archive that was refused becomes one line, a code and what to try. */
export async function withRefusals<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ArchiveRefused)) throw error
    const [code, hint] = refusals[error.reason]
    throw new CommandFailed(code, error.message, hint, { cause: error })
  }
}
