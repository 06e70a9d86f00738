/** Why a status is answered, in one sentence: clients show the second line of the page as the reason. */
const explanations: Readonly<Record<number, string>> = {
  400: 'The server could not comply with the request since it is either malformed or otherwise incorrect.',
  401: 'This server could not verify that you are authorized to access the document you requested.',
  403: 'Access was denied to this resource.',
  404: 'The resource could not be found.',
  405: 'The method is not allowed for this resource.',
  408: 'The server has waited too long for the request to be sent by the client.',
  409: 'There was a conflict when trying to complete your request.',
  410: 'This resource is no longer available. No forwarding address is given.',
  413: 'The body of your request was too large for this server.',
  415: 'The request media type is not supported by this server.',
  422: 'Unable to process the contained instructions.',
  500: 'The server has either erred or is incapable of performing the requested operation.',
  503: 'The server is currently unavailable. Please try again at a later time.',
  507: 'There is not enough space to do what was asked.',
}

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

/** Lines: `<code> <title>`, the explanation, the detail; everything from outside is escaped. */
export function dcmanagerPage(status: number, title: string, detail: string): string {
  const heading = `${status} ${title}`
  const explanation = explanations[status] ?? ''
  return `<html>
 <head>
  <title>${heading}</title>
 </head>
 <body>
  <h1>${heading}</h1>
  ${explanation}<br /><br />
${escapeHtml(detail)}

 </body>
</html>
`
}
