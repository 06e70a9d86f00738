import type { Command } from 'commander'
import type { Context } from '../commands/context.ts'

const withKey = (command: Command): Command =>
  command
    .option('--passphrase-file <file>', 'private file (0600) with the passphrase (- for standard input); or MURMUR_ARCHIVE_PASSPHRASE')
    .option('--key-file <file>', 'private file (0600) with 32 bytes in base64 (- for standard input); or MURMUR_ARCHIVE_KEY')
const load = () => import('../commands/archive.ts')

const archiving = (command: Command): Command =>
  withKey(command)
    .requiredOption('--site <file>', 'the site file')
    .requiredOption('--output <file>', 'the archive that is made')
    .option('--exclude <path...>', 'paths below varFolder that are left out')
    .option('--force', 'replace the archive when there is one')

const restoring = (command: Command): Command =>
  withKey(command)
    .requiredOption('--site-folder <folder>', 'where the site file was, or is going to be')
    .requiredOption('--input <file>', 'the archive')
    .option(
      '--data-url <url>',
      'other databases than the archived site had, of any engine; without a password (MURMUR_DATA_URL has room for one)',
    )
    .option('--var-folder <folder>', 'another varFolder than the archived site had')

/** Archives of whole sites: what they hold, and what they bring back. */
export function addArchiveCommands(program: Command, site: Command, context: Context): void {
  archiving(site.command('archive').description('archives a site, also while it runs')).action(async (options) =>
    (await load()).archive(context, 'site', options),
  )
  restoring(site.command('unarchive').description('brings an archived site back'))
    .option('--expect-region <name>', 'refuse an archive of another region')
    .action(async (options) => (await load()).unarchive(context, 'site', options))
  withKey(site.command('verify').description('proves an archive; changes nothing'))
    .requiredOption('--input <file>', 'the archive')
    .action(async (options) => (await load()).verify(context, 'site', options))

  const controller = program.command('controller').description('the system controller itself: backup and restore')
  archiving(controller.command('backup').description('archives all services of a system controller, also while it runs'))
    .option('--with-subcloud-backups', 'the central backups of subclouds too')
    .action(async (options) => (await load()).archive(context, 'controller', options))
  restoring(controller.command('restore').description('brings a system controller back')).action(async (options) =>
    (await load()).unarchive(context, 'controller', options),
  )
  withKey(controller.command('verify').description('proves a backup; changes nothing'))
    .requiredOption('--input <file>', 'the archive')
    .action(async (options) => (await load()).verify(context, 'controller', options))
}
