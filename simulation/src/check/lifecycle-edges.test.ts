import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deleteProblem, edgeProblem } from './lifecycle-edges.ts'

const resting = { managementState: 'unmanaged', availability: 'offline' }

test('the flows of the reference pass, and what is not in them does not', () => {
  const flow = [
    'not-deployed',
    'creating',
    'create-complete',
    'pre-install',
    'installing',
    'install-complete',
    'pre-bootstrap',
    'bootstrapping',
  ]
  for (const [index, to] of flow.slice(1).entries())
    assert.equal(edgeProblem({ ...resting, deployStatus: flow[index]! }, to), undefined, to)
  assert.match(edgeProblem({ ...resting, deployStatus: 'bootstrapping' }, 'pre-install') ?? '', /under way/)
  assert.match(edgeProblem({ ...resting, deployStatus: 'create-complete' }, 'complete') ?? '', /create-complete → complete/)
  assert.match(edgeProblem({ ...resting, deployStatus: 'aborting-install' }, 'install-complete') ?? '', /under way/)
})

test('only what is offline and unmanaged is deployed anew or deleted', () => {
  assert.equal(edgeProblem({ ...resting, deployStatus: 'complete' }, 'pre-install'), undefined)
  assert.match(edgeProblem({ ...resting, availability: 'online', deployStatus: 'complete' }, 'pre-install') ?? '', /redeploy/)
  assert.equal(deleteProblem({ ...resting, deployStatus: 'complete' }), undefined)
  assert.equal(deleteProblem({ ...resting, managementState: 'managed', deployStatus: 'complete' }), 'it is managed')
  assert.match(deleteProblem({ ...resting, deployStatus: 'bootstrapping' }) ?? '', /bootstrapping/)
})
