import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ruleOf, type DeployStatus } from './lifecycle.ts'
import { restoreModeOf, restoreRoutes } from './restore-routes.ts'

const none = { withInstall: false, auto: false, factory: false, onSite: false }

test('what a request means: each combination of options that may be sent', () => {
  const cases = [
    [{}, 'plain'],
    [{ withInstall: true }, 'with-install'],
    [{ auto: true }, 'auto'],
    [{ auto: true, withInstall: true }, 'auto-with-install'],
    // factory implies with_install.
    [{ factory: true, withInstall: true }, 'factory'],
    [{ factory: true, withInstall: true, auto: true }, 'factory'],
    [{ onSite: true }, 'on-site'],
  ] as const
  for (const [options, mode] of cases) assert.equal(restoreModeOf({ ...none, ...options }), mode, JSON.stringify(options))
  assert.deepEqual(new Set(cases.map(([, mode]) => mode)), new Set(Object.keys(restoreRoutes)), 'every way has a case')
})

test('the ways agree with what they do, and with the life of a subcloud', () => {
  for (const [mode, route] of Object.entries(restoreRoutes)) {
    assert.equal((route.statuses as readonly DeployStatus[]).includes('installing'), route.installs, mode)
    assert.equal(route.image.startsWith('release'), route.installs, mode)
    assert.equal(route.image.endsWith('seed'), route.by === 'bmc', mode)
    assert.equal(route.end === 'factory-restore-complete', route.from === 'factory', mode)
    for (const status of route.statuses) assert.ok(!ruleOf(status).restorable, `${mode}: ${status} passes`)
    assert.ok(ruleOf(route.end).restorable && ruleOf(route.end).deletable, mode)
  }
})
