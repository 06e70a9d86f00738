/**
 * `info_message` of an update that makes associations out-of-sync (reference dcmanager §1.7, §1.16): the lines that bring them in
 * sync again, in the words of the original's client.
 */
export function syncAdvice(what: 'subcloud' | 'system peer', associationIds: readonly number[]): readonly string[] {
  if (associationIds.length === 0) return []
  const lines = associationIds.map((id) => `$ dcmanager peer-group-association sync ${id}`)
  return [
    `The ${what} has been updated; its peer group associations are out-of-sync. To bring the peers up to date run the sync:\n${lines.join('\n')}\n`,
  ]
}
