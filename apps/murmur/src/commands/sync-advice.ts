import { tell } from '../terminal.ts'

/** What an update makes necessary, in the words of this command instead of the original's client. */
export function advise(answer: { readonly info_message?: string }): void {
  if (answer.info_message !== undefined) tell(answer.info_message.replaceAll('$ dcmanager ', '$ murmur ').trimEnd())
}
