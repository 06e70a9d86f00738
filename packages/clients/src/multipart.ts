import type { World } from '@murmuration/world'

/** One part of a form: a field, or a file when it has a name. */
export interface FormPart {
  readonly name: string
  readonly value: string
  readonly fileName?: string
}

export interface Form {
  readonly contentType: string
  readonly body: string
}

/**
 * A multipart/form-data body (RFC 7578), as unmodified peers expect it. Names are ours and never a peer's or an operator's; values
 * may be anything, since the boundary is random.
 */
export function formOf(world: World, parts: readonly FormPart[]): Form {
  const boundary = `murmuration-${world.random.uuid()}`
  const written = parts.map(({ name, value, fileName }) =>
    [
      `--${boundary}`,
      `content-disposition: form-data; name="${plain(name)}"${fileName === undefined ? '' : `; filename="${plain(fileName)}"`}`,
      ...(fileName === undefined ? [] : ['content-type: application/octet-stream']),
      '',
      value,
    ].join('\r\n'),
  )
  return { contentType: `multipart/form-data; boundary=${boundary}`, body: [...written, `--${boundary}--`, ''].join('\r\n') }
}

function plain(name: string): string {
  if (!/^[\w.-]{1,128}$/.test(name)) throw new Error(`${JSON.stringify(name)} can not be the name of a form part`)
  return name
}
