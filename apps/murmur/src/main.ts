#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { becomeSiteRuntime, compileCacheFolder } from './serve/runtime.ts'

if (process.argv[2] === 'serve' && !process.argv.includes('--detach')) becomeSiteRuntime()
enableCompileCache(compileCacheFolder)
// After that, so that everything it needs comes from there.
const { run } = await import('./run.ts')
await run()
