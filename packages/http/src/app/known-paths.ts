import type { FastifyInstance } from 'fastify'

/** Which methods a path has: the router only says that there is no route, clients want to know whether it was the method (405). */
export interface KnownPaths {
  methodsOf(path: string): string[]
}

export function collectPaths(app: FastifyInstance): KnownPaths {
  const known = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>()
  app.addHook('onRoute', ({ url, method }) => {
    const entry = known.get(url) ?? { pattern: patternOf(url), methods: new Set<string>() }
    for (const name of typeof method === 'string' ? [method] : method) entry.methods.add(name)
    known.set(url, entry)
  })
  return {
    methodsOf(path) {
      const normal = normalized(path)
      const methods = new Set<string>()
      for (const entry of known.values()) {
        if (entry.pattern.test(normal)) for (const method of entry.methods) methods.add(method)
      }
      return [...methods].sort()
    },
  }
}

const normalized = (path: string): string => {
  const single = path.replace(/\/{2,}/g, '/')
  return single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single
}

/** Linear in the path: a parameter ends at the next slash. */
function patternOf(url: string): RegExp {
  const source = normalized(url)
    .split(/(:\w+(?:\([^)]*\))?|\*)/)
    .map((part) => (part.startsWith(':') ? '[^/]+' : part === '*' ? '.*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')))
    .join('')
  return new RegExp(`^${source}$`)
}
