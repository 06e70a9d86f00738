import type { Command } from 'commander'
import type { Context } from '../commands/context.ts'

/** What stands beside every command that prints. */
type Printing = (command: Command) => Command

/** Other system controllers, and what is shared with them. */
export function addGeoCommands(program: Command, context: Context, printing: Printing): void {
  addSystemPeer(program, context, printing)
  addPeerGroup(program, context, printing)
  addAssociation(program, context, printing)
}

function addSystemPeer(program: Command, context: Context, printing: Printing): void {
  const peer = program.command('system-peer').description('other system controllers')
  const load = () => import('../commands/system-peer.ts')
  const fields = (command: Command): Command =>
    printing(command)
      .option('--peer-uuid <uuid>', 'system UUID of the other controller')
      .option('--peer-name <name>')
      .option('--manager-endpoint <url>', 'its Keystone')
      .option('--manager-username <name>', 'account there; what asks here with this account has the privileges of a peer')
      .option('--peer-controller-gateway-address <address>', 'gateway that subclouds use there')
      .option('--administrative-state <state>', 'enabled or disabled')
      .option('--heartbeat-interval <seconds>')
      .option('--heartbeat-failure-threshold <count>')
      .option('--heartbeat-failure-policy <policy>', 'alarm, rehome or delegate (as alarm)')
      .option('--heartbeat-maintenance-timeout <seconds>', 'how long it is away before policy rehome begins')
      .option('--rehome-password', 'ask for the password with which policy rehome logs in to subclouds')
  fields(peer.command('add').description('records another controller; asks for the password of the account there')).action(
    async (options) => (await load()).add(context, options),
  )
  printing(peer.command('list').description('all system peers')).action(async (options) => (await load()).list(context, options))
  printing(peer.command('show <ref>').description('one system peer, by name, id or uuid'))
    .option('--watch', 'print again every 2 s')
    .action(async (ref: string, options) => (await load()).show(context, ref, options))
  fields(peer.command('update <ref>').description('changes what is known of it'))
    .option('--manager-password', 'ask for a new password of the account there')
    .option('--no-rehome-password', 'forget the password of policy rehome')
    .action(async (ref: string, options) => (await load()).update(context, ref, options))
  peer
    .command('delete <ref>')
    .description('forgets a peer that has no associations')
    .option('--yes', 'do not ask')
    .action(async (ref: string, options) => (await load()).remove(context, ref, options))
  printing(peer.command('list-subcloud-peer-groups <ref>').description('peer groups that it has a part in')).action(
    async (ref: string, options) => (await load()).listPeerGroups(context, ref, options),
  )
}

function addPeerGroup(program: Command, context: Context, printing: Printing): void {
  const group = program.command('peer-group').description('subclouds that another controller can take over')
  const load = () => import('../commands/peer-group.ts')
  const fields = (command: Command): Command =>
    printing(command)
      .option('--group-state <state>', 'enabled, or disabled: policy rehome leaves it alone')
      .option('--max-subcloud-rehoming <count>', 'how many migrate at a time')
  fields(group.command('add').description('makes a group that this controller owns'))
    .requiredOption('--peer-group-name <name>')
    .action(async (options) => (await load()).add(context, options))
  printing(group.command('list').description('all peer groups')).action(async (options) => (await load()).list(context, options))
  printing(group.command('show <ref>').description('one peer group')).action(async (ref: string, options) =>
    (await load()).show(context, ref, options),
  )
  fields(group.command('update <ref>').description('changes a group, here and at its peers'))
    .option('--peer-group-name <name>')
    .action(async (ref: string, options) => (await load()).update(context, ref, options))
  group
    .command('delete <ref>')
    .description('removes a group that has no associations; its subclouds stay')
    .option('--yes', 'do not ask')
    .action(async (ref: string, options) => (await load()).remove(context, ref, options))
  printing(group.command('status <ref>').description('how many subclouds are where in a migration'))
    .option('--watch', 'print again every 2 s')
    .action(async (ref: string, options) => (await load()).status(context, ref, options))
  printing(group.command('list-subclouds <ref>').description('its subclouds')).action(async (ref: string, options) =>
    (await load()).listSubclouds(context, ref, options),
  )
  printing(group.command('migrate <ref>').description('takes its subclouds over, to the system controller that is asked'))
    .option('--plan', 'only says of each subcloud what would happen, and why not')
    .option('--wait', 'follow the migration to its end')
    .option('--timeout <seconds>', 'give up waiting after this (the migration goes on)')
    .option('--yes', 'do not ask')
    .action(async (ref: string, options) => (await import('../commands/migrate.ts')).migrate(context, ref, options))
}

function addAssociation(program: Command, context: Context, printing: Printing): void {
  const association = program.command('peer-group-association').description('which peer keeps standby copies of which group')
  const load = () => import('../commands/peer-group-association.ts')
  const following = (command: Command): Command =>
    printing(command)
      .option('--wait', 'follow the sync to its end')
      .option('--timeout <seconds>', 'give up waiting after this (the sync goes on)')
  following(association.command('add').description('associates a group with a peer, and syncs it'))
    .requiredOption('--peer-group <ref>', 'name or id')
    .requiredOption('--system-peer <ref>', 'name, id or uuid')
    .option('--peer-group-priority <number>', 'of the group on the peer, from 1; left out where this site is the standby')
    .action(async (options) => (await load()).add(context, options))
  printing(association.command('list').description('all associations'))
    .option('--watch', 'print again every 2 s')
    .action(async (options) => (await load()).list(context, options))
  printing(association.command('show <id>').description('one association'))
    .option('--watch', 'print again every 2 s')
    .action(async (id: string, options) => (await load()).show(context, id, options))
  printing(association.command('update <id>').description('changes the priority of the group on the peer'))
    .requiredOption('--peer-group-priority <number>')
    .action(async (id: string, options) => (await load()).update(context, id, options))
  following(association.command('sync <id>').description('sends the peer what it has not')).action(async (id: string, options) =>
    (await load()).sync(context, id, options),
  )
  association
    .command('delete <id>')
    .description('ends the association; on the owning site the copies at the peer too')
    .option('--yes', 'do not ask')
    .action(async (id: string, options) => (await load()).remove(context, id, options))
}
