/**
 * Whether JSON is wanted more than HTML. Without a preference the page wins: the stock command line sends `Accept: *`+`/*` and
 * reads pages (reference dcmanager §1.2).
 */
export function prefersJson(accept: string | undefined): boolean {
  if (accept === undefined) return false
  let json = 0
  let html = 0
  for (const range of accept.slice(0, 1024).split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const q = parameters.find((parameter) => parameter.startsWith('q='))
    const weight = q === undefined ? 1 : Number(q.slice(2))
    if (!(weight >= 0 && weight <= 1)) continue
    if (type === 'application/json' || type.endsWith('+json')) json = Math.max(json, weight)
    else if (type === 'text/html' || type === 'text/*' || type === '*/*') html = Math.max(html, weight)
    else if (type === 'application/*') json = Math.max(json, weight)
  }
  // `application/json, */*` names JSON and takes the rest as well.
  return json > 0 && json >= html
}
