import type { Command } from 'commander'
import type { Context } from '../commands/context.ts'
import { addGeoCommands } from './geo.ts'
import { addImageCommands } from './image.ts'
import { addSubcloudBackupCommands } from './subcloud-backup.ts'

/** Output options of everything that prints a list or a thing. */
const printing = (command: Command): Command =>
  command
    .option('-f, --format <format>', 'table, json, yaml, value or csv')
    .option('-c, --column <name...>', 'only these columns')
    .option('--sort-column <name>', 'sort a list by this column')

const waiting = (command: Command): Command =>
  command
    .option('--wait', 'follow the operation to its end')
    .option('--timeout <seconds>', 'give up waiting after this (the operation goes on)')

const values = (command: Command): Command =>
  command
    .option('--bootstrap-values <file>', 'YAML; an example is docs/examples/bootstrap-values.yaml')
    .option('--bootstrap-address <address>', "where Ansible reaches the subcloud's host")
    .option('--install-values <file>', 'YAML; presence adds the install phase')
    .option('--deploy-config <file>', 'YAML; presence adds the configure phase')
    .option('--release <release>', 'software release, MM.mm')

/** What operators do all day: the fleet manager's API, and images. */
export function addOperatorCommands(program: Command, context: Context): void {
  addSubcloud(program, context)
  addDeploy(program, context)
  addGroup(program, context)
  addGeoCommands(program, context, printing)
  addSubcloudBackupCommands(program, context)
  addImageCommands(program, context, printing)
  const alarm = program.command('alarm').description('alarms of the fleet')
  printing(alarm.command('summary').description('counts by subcloud'))
    .option('--watch', 'print again every 2 s')
    .action(async (options) => (await import('../commands/alarm.ts')).summary(context, options))
}

function addSubcloud(program: Command, context: Context): void {
  const subcloud = program.command('subcloud').description('subclouds and their life')
  const load = () => import('../commands/subcloud.ts')
  waiting(values(printing(subcloud.command('add').description('adds and deploys a subcloud, or takes over one that is deployed'))))
    .option('--group <id>', 'subcloud group')
    .option('--name <name>', 'name, when the values file has none')
    .option('--description <text>')
    .option('--location <text>')
    .option('--migrate', 'takes over one that another system controller has deployed; it is not installed or bootstrapped')
    .option('--secondary', 'only a standby copy of one that another system controller manages; nothing is done at the subcloud')
    .option('--region-name <region>', 'with --secondary: its region at the other system controller')
    .action(async (options) => (await load()).add(context, options))
  printing(subcloud.command('list').description('all subclouds'))
    .option('--all', 'standby copies too')
    .option('-d, --detail', 'every column')
    .option('--watch', 'print again every 2 s')
    .action(async (options) => (await load()).list(context, options))
  printing(subcloud.command('show <ref>').description('one subcloud, by name or id'))
    .option('-d, --detail', 'ask the subcloud itself too')
    .option('--watch', 'print again every 2 s')
    .action(async (ref: string, options) => (await load()).show(context, ref, options))
  subcloud
    .command('errors <ref>')
    .description('why the last operation failed')
    .action(async (ref: string) => (await load()).errors(context, ref))
  printing(subcloud.command('operations <ref>').description('what ran on it, newest first'))
    .option('--log', "the end of the newest operation's log too")
    .option('--watch', 'print again every 2 s')
    .action(async (ref: string, options) => (await load()).operations(context, ref, options))
  printing(subcloud.command('manage <ref>').description('takes it under management'))
    .option('--force', 'even when it is not complete or not online')
    .action(async (ref: string, options) => (await load()).manage(context, ref, options))
  printing(subcloud.command('unmanage <ref>').description('lets it go its own way'))
    .option('--migrate', 'gives it up for another system controller')
    .action(async (ref: string, options) => (await load()).unmanage(context, ref, options))
  printing(subcloud.command('update <ref>').description('changes name, texts, group or values'))
    .option('--new-name <name>')
    .option('--description <text>')
    .option('--location <text>')
    .option('--group <ref>')
    .option('--peer-group <ref>', 'peer group to join, or none')
    .option('--bootstrap-values <file>')
    .option('--bootstrap-address <address>')
    .option('--install-values <file>')
    .action(async (ref: string, options) => (await load()).update(context, ref, options))
  waiting(values(printing(subcloud.command('redeploy <ref>').description('installs and deploys it anew'))))
    .option('--yes', 'do not ask')
    .action(async (ref: string, options) => (await load()).redeploy(context, ref, options))
  subcloud
    .command('delete <ref>')
    .description('removes an unmanaged, offline subcloud from the fleet')
    .option('--yes', 'do not ask')
    .action(async (ref: string, options) => (await load()).remove(context, ref, options))
}

function addDeploy(program: Command, context: Context): void {
  const deploy = program.command('deploy').description('phased deploy, and the files that it uses')
  const load = () => import('../commands/deploy.ts')
  values(printing(deploy.command('create').description('records a subcloud; the phases follow one by one')))
    .option('--group <id>', 'subcloud group')
    .action(async (options) => (await load()).create(context, options))
  for (const verb of ['install', 'bootstrap', 'configure', 'resume'] as const) {
    waiting(
      values(
        printing(
          deploy.command(`${verb} <ref>`).description(verb === 'resume' ? 'goes on with the phases that remain' : `runs the ${verb} phase`),
        ),
      ),
    ).action(async (ref: string, options) => (await load()).phase(context, verb, ref, options))
  }
  for (const verb of ['complete', 'abort'] as const) {
    printing(
      deploy.command(`${verb} <ref>`).description(verb === 'abort' ? 'ends the running phase' : 'declares the deploy complete'),
    ).action(async (ref: string, options) => (await load()).simple(context, verb, ref, options))
  }
  printing(deploy.command('upload').description('deploy playbook, overrides, chart, prestage images of a release'))
    .option('--deploy-playbook <file>')
    .option('--deploy-overrides <file>')
    .option('--deploy-chart <file>')
    .option('--prestage-images <file>')
    .option('--release <release>')
    .action(async (options) => (await load()).upload(context, options))
  printing(deploy.command('show').description('which files are uploaded'))
    .option('--release <release>')
    .action(async (options) => (await load()).showFiles(context, options))
  deploy
    .command('delete')
    .description('removes uploaded files')
    .option('--release <release>')
    .option('--prestage-images')
    .option('--deployment-files')
    .action(async (options) => (await load()).removeFiles(context, options))
}

function addGroup(program: Command, context: Context): void {
  const group = program.command('subcloud-group').description('groups of subclouds')
  const load = () => import('../commands/group.ts')
  const fields = (command: Command): Command =>
    printing(command)
      .option('--name <name>')
      .option('--description <text>')
      .option('--update-apply-type <type>', 'parallel or serial')
      .option('--max-parallel-subclouds <count>')
  fields(group.command('add').description('makes a group')).action(async (options) => (await load()).add(context, options))
  printing(group.command('list').description('all groups')).action(async (options) => (await load()).list(context, options))
  printing(group.command('show <ref>').description('one group')).action(async (ref: string, options) =>
    (await load()).show(context, ref, options),
  )
  fields(group.command('update <ref>').description('changes a group')).action(async (ref: string, options) =>
    (await load()).update(context, ref, options),
  )
  group
    .command('delete <ref>')
    .description('removes an empty group')
    .option('--yes', 'do not ask')
    .action(async (ref: string, options) => (await load()).remove(context, ref, options))
  printing(group.command('list-subclouds <ref>').description('its subclouds')).action(async (ref: string, options) =>
    (await load()).listSubclouds(context, ref, options),
  )
}
