import { asMap, type ParsedDocument, type Problem } from './problems.ts'

/** More than any deployment describes; a budget against documents made of separators. */
const maxDocuments = 1000

/**
 * A deploy config is a stream of YAML maps parted by `---` lines. Cuts it, telling the line that each part starts after.
 * (YAML ends a document at such a line wherever it stands, so no parser is needed for the cut.)
 */
export function cutDocuments(text: string): { text: string; linesBefore: number }[] {
  const parts: { text: string; linesBefore: number }[] = []
  let lines: string[] = []
  let linesBefore = 0
  const all = text.split('\n')
  const close = (nextAt: number): void => {
    if (lines.some((line) => line.trim() !== '' && !line.trimStart().startsWith('#'))) parts.push({ text: lines.join('\n'), linesBefore })
    lines = []
    linesBefore = nextAt
  }
  for (const [index, line] of all.entries()) {
    if (/^---(\s|$)/.test(line)) {
      close(index)
      // What follows the marker on its line belongs to the document; spaces keep the columns.
      lines.push(`   ${line.slice(3)}`)
    } else if (/^\.\.\.\s*$/.test(line)) close(index + 1)
    else lines.push(line)
  }
  close(all.length)
  return parts
}

/** One map, or the list of maps of a stream. What each means is the deploy playbook's business. */
export function checkDeployConfig(documents: readonly ParsedDocument[]): { problems: readonly Problem[]; value?: unknown } {
  if (documents.length === 0) return { problems: [{ field: 'deploy_config', message: 'is empty' }] }
  if (documents.length > maxDocuments) return { problems: [{ field: 'deploy_config', message: `has more than ${maxDocuments} documents` }] }
  const problems = documents.flatMap((document, index): Problem[] => {
    if (asMap(document.value) !== undefined) return []
    const line = document.lineOf([])
    return [{ field: `deploy_config[${index}]`, message: 'must be a YAML map', ...(line === undefined ? {} : { line }) }]
  })
  if (problems.length > 0) return { problems }
  return { problems, value: documents.length === 1 ? documents[0]!.value : documents.map((document) => document.value) }
}
