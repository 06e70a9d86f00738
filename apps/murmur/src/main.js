#!/usr/bin/env node
// JavaScript, and alone in that: so nothing of TypeScript's (a tenth of a second) is loaded before the cache can answer for it.
import { enableCompileCache, registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

// Compiled code is kept beside what it was made of, where it is as trustworthy: whoever may write to the folder runs code here, so
// it is none of those that all may write to. Where it can't be written (a read-only tree) a start only takes longer.
const compileCache = fileURLToPath(new URL('../../../node_modules/.cache/compile', import.meta.url))
enableCompileCache(compileCache)

// A site is two thousand modules, nine of ten named by a path beside them. Node looks on the disk for each whether it is there, a folder
// or a link, and what package it belongs to, before it opens it: a quarter of the time that loading takes. Imports say the file's whole name.
registerHooks({
  resolve: (specifier, context, next) =>
    /^\.\.?\//.test(specifier) && context.conditions.includes('import') && context.parentURL?.startsWith('file:')
      ? { url: new URL(specifier, context.parentURL).href, shortCircuit: true }
      : next(specifier, context),
})

if (process.argv[2] === 'serve' && !process.argv.includes('--detach')) {
  const { becomeSiteRuntime } = await import('./serve/runtime.ts')
  becomeSiteRuntime(compileCache)
}
// After that, so that everything it needs comes from there.
const { run } = await import('./run.ts')
await run()
