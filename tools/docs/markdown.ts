/** The few words of Markdown that the generated pages need. */

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ').trim()

export const code = (text: string): string => (text === '' ? '' : `\`${text}\``)

/** A table in the plain form that people can edit and diffs can show. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n')
}

/** The first line of every page that is made by a program. */
export const madeFrom = (source: string): string => `<!-- Made by \`npm run docs\` from ${source}. Change that, not this page. -->`

/** Replaces what stands between `<!-- name:begin -->` and `<!-- name:end -->`. Throws when the markers are not there, once each. */
export function between(page: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const parts = page.split(begin)
  const rest = parts[1]?.split(end)
  if (parts.length !== 2 || rest?.length !== 2) throw new Error(`the page needs ${begin} and ${end}, once each`)
  return `${parts[0]}${begin}\n\n${content}\n\n${end}${rest[1]}`
}
