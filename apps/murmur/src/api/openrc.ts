import type { World } from '@murmuration/world'

/** `export NAME=value` lines of an openrc file, quotes removed. Nothing in it is executed. */
export function parseOpenrc(text: string): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const match = /^\s*(?:export\s+)?(OS_[A-Z_]+)=(.*)$/.exec(line)
    if (match?.[1] === undefined || match[2] === undefined) continue
    variables[match[1]] = unquote(match[2].trim())
  }
  return variables
}

function unquote(value: string): string {
  if (value.startsWith("'") && value.endsWith("'") && value.length >= 2) return value.slice(1, -1).replaceAll(`'\\''`, "'")
  if (value.startsWith('"') && value.endsWith('"') && value.length >= 2) return value.slice(1, -1).replaceAll(/\\(["\\$`])/g, '$1')
  return value
}

/** The caller's OS_* variables; without any, those of the lab's own openrc, so that a newcomer need not source it. */
export async function credentialsEnvironment(
  world: World,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Readonly<Record<string, string | undefined>>> {
  if (environment['OS_AUTH_URL'] !== undefined) return environment
  const file = await world.files.read(`${environment['MURMUR_VAR'] ?? 'var'}/openrc`)
  return file === undefined ? environment : { ...environment, ...parseOpenrc(Buffer.from(file).toString('utf8')) }
}
