#!/usr/bin/env node
// JavaScript, this and what it imports first: so nothing of TypeScript's (a tenth of a second) is loaded before the cache can answer for it.
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import './quick-imports.js'

// Compiled code is kept beside what it was made of, where it is as trustworthy: whoever may write to the folder runs code here, so
// it is none of those that all may write to. Where it can't be written (a read-only tree) a start only takes longer.
const compileCache = fileURLToPath(new URL('../../../node_modules/.cache/compile', import.meta.url))
enableCompileCache(compileCache)
if (process.argv[2] === 'serve' && !process.argv.includes('--detach')) {
  const { becomeSiteRuntime } = await import('./serve/runtime.ts')
  becomeSiteRuntime(compileCache)
}
// After that, so that everything it needs comes from there.
const { run } = await import('./run.ts')
await run()
