/** Runs the tasks of `<folder>/orphan.json` in a process that a test may kill. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRealWorld } from '@murmuration/world'
import { Expression } from '../playbooks/documents.ts'
import { createPlaybookRunner } from '../playbooks/run-playbook.ts'

const folder = process.argv[2] ?? ''
const tasks = JSON.parse(readFileSync(`${folder}/orphan.json`, 'utf8')) as unknown
writeFileSync(`${folder}/orphan.yml`, JSON.stringify([{ name: 'orphan', hosts: 'all', gather_facts: false, tasks }]))
await createPlaybookRunner(createRealWorld({ timersKeepAlive: true, log: { level: 'silent' } }), {
  varFolder: folder,
  playbooksFolder: folder,
  sshKeyFile: undefined,
}).run({
  jobId: 'job-1',
  epoch: 1,
  subcloudId: 12,
  host: 'edge',
  name: 'edge',
  stage: 'bootstrapping',
  playbook: `${folder}/orphan.yml`,
  files: {
    'inventory.yml': {
      all: {
        hosts: { edge: { ansible_connection: 'local', ansible_python_interpreter: new Expression('{{ ansible_playbook_python }}') } },
      },
    },
  },
  variables: () => ({}),
  secrets: {},
  deadlineMs: 60_000,
  signal: new AbortController().signal,
  abortWaits: () => false,
  progress: () => {},
})
