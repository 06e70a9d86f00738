import { exchange } from '../testing/client.ts'

interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
}

export interface Route {
  readonly service: string
  readonly base: string
  readonly method: string
  /** With its parameters in braces. */
  readonly path: string
  readonly parameters: readonly string[]
  readonly queries: readonly string[]
  /** Members of the body, where the document names them. */
  readonly members: readonly string[]
  readonly isForm: boolean
  readonly policy: string | undefined
}

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Schema }>> }
  readonly 'x-policy'?: string
}

/** Every operation that a service publishes. */
export async function publishedRoutes(service: string, base: string): Promise<Route[]> {
  const { json } = await exchange({ url: `${base}/openapi.json` })
  const { paths } = json as { paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> }
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): Route => {
      const content = operation.requestBody?.content ?? {}
      const named = (where: string): string[] => (operation.parameters ?? []).filter((each) => each.in === where).map(({ name }) => name)
      return {
        service,
        base,
        method: method.toUpperCase(),
        path,
        parameters: named('path'),
        queries: named('query'),
        members: Object.keys(Object.values(content)[0]?.schema?.properties ?? {}),
        isForm: 'multipart/form-data' in content,
        policy: operation['x-policy'],
      }
    }),
  )
}

/** The path with these values in the place of its parameters, in turn. */
export const filled = (route: Route, values: readonly string[]): string => {
  let turn = 0
  return `${route.base}${route.path.replaceAll(/\{[^}]+\}/g, () => values[turn++ % values.length]!)}`
}
