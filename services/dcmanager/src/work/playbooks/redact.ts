/** Anything shorter would black out ordinary text, and is no secret worth the name. */
const shortestSecret = 4

/** Replaces every secret in a text: what a foreign playbook prints in spite of itself must not stay in a log or an error. */
export function redactor(secrets: readonly string[]): (text: string) => string {
  const forms = new Set<string>()
  for (const secret of secrets) {
    // Line by line too: output is read in lines, and a private key has many.
    for (const part of [secret, ...secret.split(/\r?\n/)]) {
      if (part.length < shortestSecret || /^-----(BEGIN|END) [A-Z ]+-----$/.test(part)) continue
      forms.add(part)
      forms.add(JSON.stringify(part).slice(1, -1))
      forms.add(Buffer.from(part, 'utf8').toString('base64'))
    }
  }
  const ordered = [...forms].toSorted((a, b) => b.length - a.length)
  return (text) => ordered.reduce((redacted, form) => redacted.replaceAll(form, '[secret]'), text)
}
