export interface FilePart {
  readonly name: string
  readonly fileName: string
  readonly data: Uint8Array
}

/** A multipart/form-data body as the field's own client sends it: files first, then fields. */
export function encodeMultipart(
  fields: Readonly<Record<string, string | undefined>>,
  files: readonly FilePart[],
  boundary: string,
): { body: Uint8Array; contentType: string } {
  const quoted = (value: string): string => value.replaceAll(/["\r\n]/g, (char) => encodeURIComponent(char))
  const parts: Uint8Array[] = []
  const add = (head: string, data: Uint8Array): void =>
    void parts.push(Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`), data, Buffer.from('\r\n'))
  for (const file of files) {
    const disposition = `Content-Disposition: form-data; name="${quoted(file.name)}"; filename="${quoted(file.fileName)}"`
    add(`${disposition}\r\nContent-Type: application/octet-stream`, file.data)
  }
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) add(`Content-Disposition: form-data; name="${quoted(name)}"`, Buffer.from(value))
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`))
  return { body: Buffer.concat(parts), contentType: `multipart/form-data; boundary=${boundary}` }
}
