import { Command } from 'commander'
import type { Context } from './commands/context.ts'
import { addArchiveCommands } from './program/archive.ts'
import { addOperatorCommands } from './program/operator.ts'
import { addSiteCommands } from './program/site.ts'

/** The whole command line; every command's code is loaded only when it runs. */
export function buildProgram(context: Context): Command {
  const program = new Command('murmur')
    .description('One control plane for a flock of clouds: runs sites and the lab, and speaks to their APIs.')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text) })
    .showHelpAfterError('(--help shows what there is)')
  const site = program.command('site').description('the site itself: who manages it, and archives of it')
  addSiteCommands(program, site, context)
  addArchiveCommands(program, site, context)
  addOperatorCommands(program, context)
  program
    .command('completion <shell>')
    .description('prints a completion script for bash, zsh or fish')
    .action(async (shell: string) => (await import('./commands/completion.ts')).completion(program, shell))
  inheritExit(program)
  return program
}

/** commander's `exitOverride` is not inherited by commands that were made before it was set. */
function inheritExit(command: Command): void {
  for (const child of command.commands) {
    child.exitOverride()
    inheritExit(child)
  }
}
