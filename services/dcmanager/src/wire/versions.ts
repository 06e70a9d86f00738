/** Reference dcmanager §1.1. `href` follows the host that the caller used. */
export const versionDocument = (baseUrl: string): object => ({
  versions: [{ status: 'CURRENT', id: 'v1.0', updated: '2017-10-2', links: [{ rel: 'self', href: `${baseUrl}/v1.0/` }] }],
})
