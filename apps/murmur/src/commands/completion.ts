import type { Command } from 'commander'
import { CommandFailed, exitCodes } from '../exit.ts'
import { print } from '../terminal.ts'

/** Every path of words with what may follow it: `subcloud list` → its options, `subcloud` → its commands. */
function words(command: Command, path: readonly string[] = []): Map<string, string[]> {
  const own = [...command.commands.map((child) => child.name()), ...command.options.map((option) => option.long ?? option.short ?? '')]
  const all = new Map([[path.join(' '), own]])
  for (const child of command.commands) for (const [key, value] of words(child, [...path, child.name()])) all.set(key, value)
  return all
}

export function completion(program: Command, shell: string): void {
  const script = { bash, zsh, fish }[shell]
  if (script === undefined) throw new CommandFailed(exitCodes.usage, `${shell}: no completion for this shell.`, 'Use bash, zsh or fish.')
  print(script(words(program)))
}

const bash = (all: Map<string, string[]>): string =>
  [
    '_murmur() {',
    '  local path="" word i',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    '    word="${COMP_WORDS[i]}"',
    '    case "$word" in -*) ;; *) path="${path:+$path }$word" ;; esac',
    '  done',
    '  local words=""',
    '  while :; do',
    '    case "$path" in',
    ...[...all].map(([path, next]) => `      ${JSON.stringify(path)}) words=${JSON.stringify(next.join(' '))} ;;`),
    '      *) if [[ "$path" == *" "* ]]; then path="${path% *}"; continue; fi ;;',
    '    esac',
    '    break',
    '  done',
    '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
    '}',
    'complete -o default -F _murmur murmur',
  ].join('\n')

/** zsh runs bash completions as they are. */
const zsh = (all: Map<string, string[]>): string => ['autoload -U +X bashcompinit && bashcompinit', bash(all)].join('\n')

const fish = (all: Map<string, string[]>): string =>
  [...all]
    .flatMap(([path, next]) => {
      const parts = path === '' ? [] : path.split(' ')
      const condition =
        parts.length === 0 ? '__fish_use_subcommand' : parts.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and ')
      return next.map((word) =>
        word.startsWith('--')
          ? `complete -c murmur -n '${condition}' -l ${word.slice(2)}`
          : `complete -c murmur -f -n '${condition}' -a ${word}`,
      )
    })
    .join('\n')
