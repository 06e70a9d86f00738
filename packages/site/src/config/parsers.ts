import { isAbsolute, resolve } from 'node:path'
import ipaddr from 'ipaddr.js'

/** Why a value can't be taken, and what to write instead. */
export class Unacceptable extends Error {}

/** From a YAML value, or the text of an environment variable, to a value that may be used; throws Unacceptable. */
export type Parse<T> = (raw: unknown, context: ParseContext) => T

export interface ParseContext {
  /** Folder of the configuration file: relative paths start there, wherever the command is run from. */
  readonly folder: string
}

const shown = (raw: unknown): string => {
  const text = typeof raw === 'string' ? raw : (JSON.stringify(raw) ?? String(raw))
  return `'${redactUrl(text.length > 80 ? `${text.slice(0, 77)}...` : text)}'`
}

const asText = (raw: unknown): string => {
  if (typeof raw === 'number') throw new Unacceptable(`${shown(raw)} was read as a number: put it in quotes`)
  if (typeof raw === 'boolean') throw new Unacceptable(`${shown(raw)} was read as yes or no: put it in quotes`)
  if (typeof raw !== 'string') throw new Unacceptable('give one text')
  const text = raw.trim()
  if (text === '') throw new Unacceptable('is empty: give a value or leave the key out')
  return text
}

/** A text that matches `pattern`; `wanted` finishes the sentence "give …". */
export const text =
  (pattern: RegExp, wanted: string): Parse<string> =>
  (raw) => {
    const value = asText(raw)
    if (!pattern.test(value)) throw new Unacceptable(`${shown(raw)} does not fit: give ${wanted}`)
    return value
  }

export const oneOf =
  <const T extends string>(...choices: readonly T[]): Parse<T> =>
  (raw) => {
    const value = asText(raw)
    const found = choices.find((choice) => choice === value)
    if (found === undefined) throw new Unacceptable(`${shown(raw)} is not known: give one of ${choices.join(', ')}`)
    return found
  }

/** A YAML list, or a text with commas (the environment's way). */
export const listOf =
  <const T extends string>(...choices: readonly T[]): Parse<readonly T[]> =>
  (raw, context) => {
    const members = typeof raw === 'string' ? raw.split(',') : raw
    if (!Array.isArray(members) || members.length === 0) throw new Unacceptable(`give a list of ${choices.join(', ')}`)
    const values = members.map((member: unknown) => oneOf(...choices)(member, context))
    return choices.filter((choice) => values.includes(choice))
  }

/** Any number of values, also none: a YAML list, or a text with commas. */
export const several =
  <T>(member: Parse<T>): Parse<readonly T[]> =>
  (raw, context) => {
    const members: unknown = typeof raw === 'string' ? raw.split(',').filter((part) => part.trim() !== '') : raw
    if (!Array.isArray(members)) throw new Unacceptable('give a list')
    return members.map((one: unknown) => member(one, context))
  }

/** Program and arguments, as a YAML list or the environment's JSON list: no shell ever reads it. */
export const commandLine: Parse<readonly string[]> = (raw) => {
  let words: unknown = raw
  if (typeof raw === 'string' && raw.trim().startsWith('[')) {
    try {
      words = JSON.parse(raw)
    } catch {
      throw new Unacceptable(`${shown(raw)} is no list: give program and arguments, like ["/usr/bin/murmur"]`)
    }
  }
  if (!Array.isArray(words) || words.length === 0) throw new Unacceptable('give a list: program and arguments')
  return words.map((word: unknown) => {
    if (typeof word !== 'string' || word === '' || word.includes('\0')) throw new Unacceptable('every word of the command is a text')
    return word
  })
}

export const integer =
  (least: number, most: number, wanted: string): Parse<number> =>
  (raw) => {
    const value = typeof raw === 'string' && /^\d{1,15}$/.test(raw.trim()) ? Number(raw) : raw
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw new Unacceptable(`${shown(raw)} does not fit: give ${wanted} from ${least} to ${most}`)
    }
    return value
  }

export const port: Parse<number> = integer(0, 65_535, 'a port (0: any free one)')

export const path: Parse<string> = (raw, { folder }) => {
  const value = asText(raw)
  if (value.includes('\0')) throw new Unacceptable('holds a NUL character: give a path')
  return isAbsolute(value) ? value : resolve(folder, value)
}

const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/
/** Canonical spellings only: 010.0.0.1, 0x7f000001 and zone ids mean different things to different readers. */
export const address: Parse<string> = (raw) => {
  const value = asText(raw)
  if (ipv4.test(value)) return value
  if (ipaddr.IPv6.isValid(value) && !value.includes('%')) return ipaddr.parse(value).toString()
  throw new Unacceptable(`${shown(raw)} is not an IP address: give one like 192.168.204.2 or fd00::2`)
}

export const subnet: Parse<string> = (raw, context) => {
  const value = asText(raw)
  const [base, prefix, ...rest] = value.split('/')
  try {
    const parsed = ipaddr.parse(address(base, context))
    const bits = parsed.kind() === 'ipv4' ? 32 : 128
    if (prefix === undefined || rest.length > 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) < 1 || Number(prefix) > bits - 2) {
      throw new Unacceptable('')
    }
    const first =
      parsed.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(value).toString() : ipaddr.IPv6.networkAddressFromCIDR(value).toString()
    if (first !== parsed.toString()) throw new Unacceptable(`${shown(raw)} has host bits set: give ${first}/${prefix}`)
    return `${first}/${prefix}`
  } catch (error) {
    if (error instanceof Unacceptable && error.message.includes('host bits')) throw error
    throw new Unacceptable(`${shown(raw)} is not a subnet: give one like 192.168.204.0/24 or fd00::/64`)
  }
}

/** An absolute URL of one of `schemes` (without the colon); the text is kept as it is. */
export const url =
  (schemes: readonly string[], example: string): Parse<string> =>
  (raw) => {
    const value = asText(raw)
    const scheme = /^([a-z][a-z0-9+-]*):/.exec(value)?.[1]
    if (scheme === undefined || !schemes.includes(scheme)) throw new Unacceptable(`${shown(raw)} does not fit: give a URL like ${example}`)
    return value
  }

/** A URL for people: the password in it is replaced. */
export function redactUrl(value: string): string {
  return value.replace(/^([a-z][a-z0-9+-]*:\/\/[^/@:]*):[^@]*@/i, '$1:***@').replace(/([?&]password=)[^&]*/gi, '$1***')
}
