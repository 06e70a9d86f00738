import { CommandFailed, exitCodes } from '../../exit.ts'
import { countOf } from '../context.ts'

/** What `create` and `set` may say of an image, as it was typed. */
export interface AttributeOptions {
  readonly diskFormat?: string
  readonly containerFormat?: string
  readonly minDisk?: string
  readonly minRam?: string
  readonly project?: string
  readonly public?: boolean
  readonly private?: boolean
  readonly community?: boolean
  readonly shared?: boolean
  readonly protected?: boolean
  readonly unprotected?: boolean
  readonly hidden?: boolean
  readonly unhidden?: boolean
  readonly property?: readonly string[]
  readonly tag?: readonly string[]
}

/** The base attributes that were named; mistakes are told before anything is sent. */
export function attributesOf(options: AttributeOptions): Record<string, unknown> {
  const visibility = oneOf(options, ['public', 'private', 'community', 'shared'])
  const guarded = oneOf(options, ['protected', 'unprotected'])
  const hidden = oneOf(options, ['hidden', 'unhidden'])
  const named = {
    disk_format: options.diskFormat,
    container_format: options.containerFormat,
    min_disk: options.minDisk === undefined ? undefined : countOf('--min-disk', options.minDisk),
    min_ram: options.minRam === undefined ? undefined : countOf('--min-ram', options.minRam),
    owner: options.project,
    visibility,
    protected: guarded === undefined ? undefined : guarded === 'protected',
    os_hidden: hidden === undefined ? undefined : hidden === 'hidden',
  }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined))
}

function oneOf<Name extends keyof AttributeOptions>(options: AttributeOptions, names: readonly Name[]): Name | undefined {
  const given = names.filter((name) => options[name] === true)
  if (given.length > 1)
    throw new CommandFailed(exitCodes.usage, `${given.map((name) => `--${name}`).join(' and ')} can not be given together.`)
  return given[0]
}

/** `--property name=value …`; a value may hold anything, `=` too. */
export function propertiesOf(pairs: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
      if (name === undefined || value === undefined) throw new CommandFailed(exitCodes.usage, `--property ${pair}: give name=value.`)
      return [name, value]
    }),
  )
}
