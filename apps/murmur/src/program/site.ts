import type { Command } from 'commander'
import type { Context } from '../commands/context.ts'

/** What runs and keeps sites: serve, stop, lab, config, policy, db, secrets. */
export function addSiteCommands(program: Command, site: Command, { world, environment }: Context): void {
  program
    .command('serve')
    .description('runs a site: all its services, or some roles of them')
    .requiredOption('--site <file>', 'the site file')
    .option('--role <roles>', 'all, or a list of api, manager, audit, state')
    .option('--detach', 'go on in the background; return when the site is ready')
    .option('--process-name <name>', 'name of this process among several of the site')
    .action(async (options) => (await import('../serve/command.ts')).serve(world, environment, options))
  program
    .command('stop')
    .description('stops a site that runs in the background')
    .requiredOption('--site <file>', 'the site file')
    .option('--process-name <name>', 'which of several processes')
    .action(async (options) => (await import('../serve/command.ts')).stop(world, environment, options))

  const lab = program.command('lab').description('a system controller and its subclouds on this machine')
  lab
    .command('up')
    .description('starts the lab, or goes on with it, in the foreground')
    .action(async () => (await import('../lab/up.ts')).up(world, environment))
  lab
    .command('add <name>')
    .description('deploys one more subcloud (subcloud3 …)')
    .action(async (name: string) => (await import('../lab/drill.ts')).add(world, environment, name))
  lab
    .command('down')
    .description('stops every site of the lab; its state stays')
    .action(async () => (await import('../lab/drill.ts')).down(world, environment))
  lab
    .command('stop <name>')
    .description('stops one site, for drills')
    .action(async (name: string) => (await import('../lab/drill.ts')).stop(world, environment, name))
  lab
    .command('start <name>')
    .description('starts one site again')
    .action(async (name: string) => (await import('../lab/drill.ts')).start(world, environment, name))

  program
    .command('config')
    .description('the configuration of a site')
    .command('check')
    .description('prints the effective values and where each comes from; says what is wrong')
    .requiredOption('--site <file>', 'the site file')
    .option('-f, --format <format>', 'table, json, yaml, value or csv')
    .option('-c, --column <name...>', 'only these columns')
    .action(async (options) => (await import('../commands/config.ts')).check(world, environment, options))

  const policy = program.command('policy').description('who may do what')
  policy
    .command('list')
    .description('every rule with the check in force')
    .requiredOption('--site <file>', 'the site file')
    .option('--service <name>', 'identity, platform, image or dcmanager', 'dcmanager')
    .option('-f, --format <format>', 'table, json, yaml, value or csv')
    .option('-c, --column <name...>', 'only these columns')
    .action(async (options) => (await import('../commands/policy.ts')).list(world, environment, options))
  policy
    .command('check <rule>')
    .description('would somebody with these roles be allowed? exit code 0 yes, 1 no')
    .requiredOption('--site <file>', 'the site file')
    .option('--service <name>', 'identity, platform, image or dcmanager', 'dcmanager')
    .requiredOption('--role <roles>', 'roles of the caller, separated by commas')
    .option('--project <name>', 'project of the token', 'admin')
    .action(async (rule: string, options) => (await import('../commands/policy.ts')).check(world, environment, rule, options))

  const db = program.command('db').description("the services' databases")
  db.command('migrate')
    .description('brings every database of the site to this version')
    .requiredOption('--site <file>', 'the site file')
    .action(async (options) => (await import('../commands/db.ts')).migrate(world, environment, options))
  db.command('status')
    .description('which migrations are applied')
    .requiredOption('--site <file>', 'the site file')
    .option('-f, --format <format>', 'table, json, yaml, value or csv')
    .option('-c, --column <name...>', 'only these columns')
    .action(async (options) => (await import('../commands/db.ts')).status(world, environment, options))

  const ownership = site.command('ownership').description('which system controller manages the site')
  ownership
    .command('show')
    .description('the owner, its epoch, and for how long it has been silent')
    .requiredOption('--site <file>', 'the site file')
    .option('-f, --format <format>', 'table, json, yaml, value or csv')
    .option('-c, --column <name...>', 'only these columns')
    .action(async (options) => (await import('../commands/ownership.ts')).show(world, environment, options))
  ownership
    .command('claim')
    .description('makes a system controller the owner; exit code 4 when another one has a later epoch')
    .requiredOption('--site <file>', 'the site file')
    .requiredOption('--owner <uuid>', 'uuid of the system controller (its system, not its subcloud)')
    .requiredOption('--name <name>', 'its name, for people')
    .requiredOption('--epoch <number>', 'above the present one, or the present one of the same owner')
    .option('-f, --format <format>', 'table, json, yaml, value or csv')
    .option('-c, --column <name...>', 'only these columns')
    .action(async (options) => (await import('../commands/ownership.ts')).claim(world, environment, options))
  ownership
    .command('release')
    .description('leaves the site without an owner, for a system controller that knows nothing of epochs')
    .requiredOption('--site <file>', 'the site file')
    .option('-y, --yes', "don't ask")
    .action(async (options) => (await import('../commands/ownership.ts')).release(world, environment, options))

  program
    .command('secrets')
    .description('secrets at rest')
    .command('rotate')
    .description('adds a new sealing key, seals everything anew under it and drops the old keys')
    .requiredOption('--site <file>', 'the site file')
    .action(async (options) => (await import('../commands/secrets.ts')).rotate(world, environment, options))
}
