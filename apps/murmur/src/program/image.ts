import type { Command } from 'commander'
import type { Context } from '../commands/context.ts'

/** What stands beside every command that prints. */
type Printing = (command: Command) => Command

/** Images of the site: what they are, and their bytes. */
export function addImageCommands(program: Command, context: Context, printing: Printing): void {
  const image = program.command('image').description('images, their bytes, and with whom they are shared')
  addReading(image, context, printing)
  addChanging(image, context, printing)
  addData(image, context, printing)
  addMembers(image, context, printing)
}

const attributes = (command: Command): Command =>
  command
    .option('--disk-format <format>', 'raw, qcow2, vmdk, vhd, vhdx, vdi, iso, ami, ari, aki or ploop')
    .option('--container-format <format>', 'bare, ovf, ova, docker, ami, ari, aki or compressed')
    .option('--min-disk <gigabytes>', 'the smallest disk that it boots from')
    .option('--min-ram <megabytes>', 'the least memory that it boots with')
    .option('--project <ref>', 'the project that owns it, by id or name')
    .option('--public', 'for every project')
    .option('--private', 'for its owner')
    .option('--community', 'for every project that asks for it by id')
    .option('--shared', 'for its owner and the projects that it is shared with')
    .option('--protected', 'can not be deleted')
    .option('--unprotected', 'can be deleted')
    .option('--hidden', 'is not in lists')
    .option('--unhidden', 'is in lists')
    .option('--property <name=value...>', 'extra properties')
    .option('--tag <tag...>')

function addReading(image: Command, context: Context, printing: Printing): void {
  const load = () => import('../commands/image/read.ts')
  printing(image.command('list').description('images that you can see'))
    .option('--name <name>')
    .option('--status <status>', 'queued, saving, uploading, importing, active, deactivated …')
    .option('--visibility <visibility>', 'public, private, shared, community or all')
    .option('--project <id>', 'owner')
    .option('--disk-format <format>')
    .option('--container-format <format>')
    .option('--member-status <status>', 'of those shared with you: accepted (default), pending, rejected or all')
    .option('--hidden', 'the hidden ones')
    .option('--tag <tag...>', 'with all of these tags')
    .option('--property <name=value...>', 'with all of these properties')
    .option('--sort <keys>', 'by the service: name:asc,size:desc …')
    .option('--limit <count>', 'so many at most')
    .option('-d, --detail', 'every column')
    .option('--watch', 'print again every 2 s')
    .action(async (options) => (await load()).list(context, options))
  printing(image.command('show <ref>').description('one image, by id or name'))
    .option('--watch', 'print again every 2 s')
    .action(async (ref: string, options) => (await load()).show(context, ref, options))
  printing(image.command('tasks <ref>').description('imports and copies of its bytes'))
    .option('--watch', 'print again every 2 s')
    .action(async (ref: string, options) => (await load()).tasks(context, ref, options))
  printing(image.command('stores').description('where bytes of images can lie')).action(async (options) =>
    (await load()).stores(context, options),
  )
  printing(image.command('usage').description('quotas of the project and what it uses of them')).action(async (options) =>
    (await load()).usage(context, options),
  )
}

function addChanging(image: Command, context: Context, printing: Printing): void {
  const load = () => import('../commands/image/change.ts')
  attributes(printing(image.command('set <ref>').description('changes attributes; sets properties, adds tags')))
    .option('--name <name>')
    .action(async (ref: string, options) => (await load()).set(context, ref, options))
  printing(image.command('unset <ref>').description('takes properties and tags away'))
    .option('--property <name...>')
    .option('--tag <tag...>')
    .action(async (ref: string, options) => (await load()).unset(context, ref, options))
  image
    .command('delete <refs...>')
    .description('deletes images with their bytes')
    .option('--store <id>', 'only the bytes in this store; those in the last one stay')
    .option('--yes', 'do not ask')
    .action(async (refs: string[], options) => (await load()).remove(context, refs, options))
  for (const action of ['deactivate', 'reactivate'] as const)
    image
      .command(`${action} <ref>`)
      .description(action === 'deactivate' ? 'keeps everybody but admins from its bytes' : 'lets its bytes be downloaded again')
      .action(async (ref: string) => (await load()).act(context, action, ref))
}

function addData(image: Command, context: Context, printing: Printing): void {
  const load = () => import('../commands/image/data.ts')
  attributes(printing(image.command('create <name>').description('makes an image, and uploads its bytes')))
    .option('--file <path>', 'its bytes; - reads what is piped into the command')
    .option('--id <uuid>', 'an id of your own')
    .option('--store <id>', 'where the bytes go; the default store without it')
    .action(async (name: string, options) => (await load()).create(context, name, options))
  printing(image.command('upload <ref>').description('uploads the bytes of an image that has none'))
    .requiredOption('--file <path>', 'its bytes; - reads what is piped into the command')
    .option('--store <id>', 'where the bytes go; the default store without it')
    .action(async (ref: string, options) => (await load()).upload(context, ref, options))
  image
    .command('save <ref>')
    .description('downloads its bytes, verified')
    .requiredOption('--file <path>', 'where to; - writes to the standard output')
    .action(async (ref: string, options) => (await load()).save(context, ref, options))
  printing(image.command('import <ref>').description('has the service fetch, or copy, its bytes'))
    .option('--file <path>', 'stages these bytes, and imports them (glance-direct)')
    .option('--uri <url>', 'the service fetches this URL (web-download)')
    .option('--copy', 'from a store that has them into others (copy-image)')
    .option('--store <id...>', 'stores that they go to')
    .option('--all-stores', 'into every store')
    .option('--allow-failure', 'one store is enough')
    .option('--wait', 'follow the import to its end')
    .option('--timeout <seconds>', 'give up waiting after this (the import goes on)')
    .action(async (ref: string, options) => (await import('../commands/image/import.ts')).importImage(context, ref, options))
}

function addMembers(image: Command, context: Context, printing: Printing): void {
  const member = image.command('member').description('projects that a shared image is shared with')
  const load = () => import('../commands/image/members.ts')
  printing(member.command('add <ref> <project>').description('shares an image with a project, by id or name')).action(
    async (ref: string, project: string, options) => (await load()).add(context, ref, project, options),
  )
  member
    .command('remove <ref> <project>')
    .description('ends the sharing')
    .action(async (ref: string, project: string) => (await load()).remove(context, ref, project))
  printing(member.command('list <ref>').description('with whom it is shared')).action(async (ref: string, options) =>
    (await load()).list(context, ref, options),
  )
  for (const [verb, status, words] of [
    ['accept', 'accepted', 'takes a shared image into your lists'],
    ['reject', 'rejected', 'keeps a shared image out of your lists'],
    ['reset', 'pending', 'as if neither had been said'],
  ] as const)
    printing(member.command(`${verb} <ref>`).description(words))
      .option('--project <ref>', 'the member that answers, where you see several')
      .action(async (ref: string, options) => (await load()).answer(context, status, ref, options))
}
