import { registerHooks } from 'node:module'

// A site is two thousand modules, nine of ten named by a path beside them. Node looks on the disk for each whether it is there, a folder
// or a link, and what package it belongs to, before it opens it: a quarter of the time that loading takes. Imports say the file's whole name.
registerHooks({
  resolve: (specifier, context, next) =>
    /^\.\.?\//.test(specifier) && context.conditions.includes('import') && context.parentURL?.startsWith('file:')
      ? { url: new URL(specifier, context.parentURL).href, shortCircuit: true }
      : next(specifier, context),
})
