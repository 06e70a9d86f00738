/** What names data in a store: ids of ours, and nothing else. */
export const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** What says in a store whose it is. */
export const ownerName = 'murmuration-site'
