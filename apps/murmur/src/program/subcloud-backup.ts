import type { Command } from 'commander'
import type { Context } from '../commands/context.ts'

const common = (command: Command): Command =>
  command
    .option('--subcloud <ref>', 'one subcloud, by name or id')
    .option('--group <ref>', 'all of a group instead')
    .option('--local-only', 'the archive that stays at the subcloud')
    .option('-f, --format <format>', 'table, json, yaml, value or csv')
    .option('-c, --column <name...>', 'only these columns')
    .option('--sort-column <name>', 'sort a list by this column')
    .option('--wait', 'follow the operations to their ends')
    .option('--timeout <seconds>', 'give up waiting after this (the operations go on)')

/** Backup, delete and restore of subclouds, with the names of the field's own client. */
export function addSubcloudBackupCommands(program: Command, context: Context): void {
  const backup = program.command('subcloud-backup').description('backups of subclouds')
  const load = () => import('../commands/subcloud-backup.ts')
  common(backup.command('create').description('backs up a subcloud or a group'))
    .option('--registry-images', "with what the subcloud's image service holds; only with --local-only")
    .option('--backup-values <file>', 'YAML: variables of the backup playbook')
    .action(async (options) => (await load()).create(context, options))
  common(backup.command('delete <release>').description('deletes the backups of a release'))
    .option('--yes', 'do not ask')
    .action(async (release: string, options) => (await load()).remove(context, release, options))
  common(backup.command('restore').description('brings a subcloud or a group back'))
    .option('--with-install', 'install the release first, through the BMC')
    .option('--release <release>', 'MM.mm of the backup and the installation; with --with-install or --factory')
    .option('--registry-images', 'with the images that were backed up; only with --local-only')
    .option('--auto', 'through the BMC; simplex only')
    .option('--factory', 'back to the factory state, through the BMC; simplex only')
    .option('--on-site', 'bring the archive there; the staff of the site runs the restore')
    .option('--restore-values <file>', 'YAML: bootstrap_address (map of names and addresses), restore_timeout, playbook variables')
    .option('--yes', 'do not ask')
    .action(async (options) => (await load()).restore(context, options))
}
