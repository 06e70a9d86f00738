import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { code, table } from './markdown.ts'

/** Where a limit stands: the name of a constant, a member, a default or an option in a file. */
type Limit = readonly [what: string, file: string, name: string]

const limits: readonly (readonly [area: string, limits: readonly Limit[]])[] = [
  [
    'Requests',
    [
      ['a JSON body, levels', 'packages/http/src/body/json.ts', 'maxDepth'],
      ['a JSON body, members of objects', 'packages/http/src/body/json.ts', 'maxKeys'],
      ['a JSON body, values', 'packages/http/src/body/json.ts', 'maxValues'],
      ['time until a JSON body has arrived', 'packages/http/src/app/wire.ts', 'bodyDeadlineMs'],
      ['parts of a form', 'packages/http/src/body/multipart.ts', 'maxParts'],
      ['a field of a form', 'packages/http/src/body/multipart.ts', 'maxFieldBytes'],
      ['a file of a form', 'packages/http/src/body/multipart.ts', 'maxFileBytes'],
      ['a form', 'packages/http/src/body/multipart.ts', 'maxBytes'],
      ['time until a form has arrived', 'packages/http/src/body/multipart.ts', 'deadlineMs'],
      ['a token', 'packages/http/src/app/authorize.ts', 'maxTokenBytes'],
      ['YAML, values', 'packages/http/src/body/yaml.ts', 'maxNodes'],
      ['YAML, levels', 'packages/http/src/body/yaml.ts', 'maxDepth'],
      ['YAML, aliases', 'packages/http/src/body/yaml.ts', 'maxAliases'],
      ['headers of a request', 'packages/world/src/real/serve.ts', 'maxHeaderBytes'],
      ['time until the headers have arrived', 'packages/world/src/real/serve.ts', 'headersTimeoutMs'],
      ['an idle connection is kept', 'packages/world/src/real/serve.ts', 'keepAliveTimeoutMs'],
      ['connections to one port of a process', 'packages/world/src/real/network.ts', 'maxServerConnections'],
      ['problems told in one refusal of values', 'services/dcmanager/src/errors.ts', 'maxProblemsTold'],
      ['an Idempotency-Key is remembered', 'services/dcmanager/src/store/idempotency.ts', 'rememberMs'],
      ['a caller of a synchronous operation waits', 'services/dcmanager/src/service.ts', 'patienceMs'],
      ['an uploaded deployment file', 'services/dcmanager/src/api/deploy-files.ts', 'maxFileBytes'],
      ['documents of a deploy config', 'services/dcmanager/src/rules/deploy-config.ts', 'maxDocuments'],
    ],
  ],
  [
    'Requests of ours to other sites',
    [
      ['connections to one place', 'packages/world/src/real/network.ts', 'maxConnectionsPerPool'],
      ['places whose connections are kept', 'packages/world/src/real/network.ts', 'maxPools'],
      ['an idle connection is kept', 'packages/world/src/real/network.ts', 'keepAliveMs'],
      ['time to connect', 'packages/world/src/real/pools.ts', 'connectTimeoutMs'],
      ['an answer, unless the caller says otherwise', 'packages/world/src/real/exchange.ts', 'defaultMaxResponseBytes'],
      ['an answer of an agent', 'packages/clients/src/dcagent.ts', 'maxAnswerBytes'],
      ['sessions with agents that are kept', 'packages/clients/src/dcagent.ts', 'maxSessions'],
    ],
  ],
  [
    'Jobs',
    [
      ['a lease; renewed at a third of it', 'packages/jobs/src/worker.ts', 'leaseMs'],
      ['time between two looks when nobody wakes', 'packages/jobs/src/worker.ts', 'pollMs'],
      ['deployments and deletes at once in one manager', 'services/dcmanager/src/work/deploy.ts', 'operationsAtOnce'],
      ['of these, only for phased creates and deletes', 'services/dcmanager/src/work/deploy.ts', 'slots'],
      ['installation images under way at once in one manager', 'services/dcmanager/src/work/image-endpoint.ts', 'transfersMost'],
      ['time until a reader of an image that takes nothing is cut', 'services/dcmanager/src/work/image-endpoint.ts', 'stalledMs'],
      ['leases that a job may lose in a row', 'packages/jobs/src/run.ts', 'lostLeasesMost'],
      ['a result of a step', 'packages/jobs/src/steps.ts', 'resultLimitBytes'],
      ['operations of deployments are kept', 'services/dcmanager/src/work/deploy.ts', 'keptMs'],
      ['other ended jobs are kept', 'packages/jobs/src/worker.ts', 'defaultRetentionMs'],
      ['attempts of a job whose ground failed', 'services/dcmanager/src/work/deploy.ts', 'attempts'],
      ['time between two sweeps for lost operations', 'services/dcmanager/src/work/manager.ts', 'repairEveryMs'],
    ],
  ],
  [
    'Playbooks',
    [
      ['install', 'services/dcmanager/src/work/install.ts', 'deadlineMs'],
      ['bootstrap, configure', 'services/dcmanager/src/work/site-runs.ts', 'deadlineMs'],
      [
        'an abort waits for a playbook that must not be ended',
        'services/dcmanager/src/work/playbooks/run-playbook.ts',
        'longestNotAbortableMs',
      ],
      ['log of one operation', 'services/dcmanager/src/work/playbooks/output-log.ts', 'longestLogBytes'],
      ['one line of it', 'packages/world/src/real/lines.ts', 'longestLineBytes'],
      ['playbooks at once in one manager; more wait', 'packages/site/src/config/options.ts', 'playbooks.processes'],
      ['a document that a playbook leaves for the manager', 'services/dcmanager/src/work/playbooks/run-playbook.ts', 'longestResultBytes'],
    ],
  ],
  [
    'Backups of subclouds',
    [
      ['backups at once in one manager, and deletions', 'packages/site/src/config/options.ts', 'backup.concurrency'],
      ['restores at once in one manager', 'packages/site/src/config/options.ts', 'backup.restoreConcurrency'],
      ['backups kept of one subcloud and release', 'packages/site/src/config/options.ts', 'backup.keep'],
      ['all backups at the system controller', 'packages/site/src/config/options.ts', 'backup.quotaBytes'],
      ['backup, delete', 'services/dcmanager/src/work/backup-runs.ts', 'deadlineMs'],
      ['members of a group claimed by one set of statements', 'services/dcmanager/src/store/backup-claims.ts', 'pageSize'],
      ['BMCs probed at once by one request', 'services/dcmanager/src/api/subcloud-backup-restore.ts', 'probesAtOnce'],
      ['operations waited for in one statement', 'services/dcmanager/src/work/wait-for-job.ts', 'askedAtOnce'],
    ],
  ],
  [
    'Audits',
    [
      ['time between two audits of a subcloud', 'packages/site/src/config/options.ts', 'audit.intervalMs'],
      ['time for one audit', 'packages/site/src/config/options.ts', 'audit.requestDeadlineMs'],
      ['audits at once in one process', 'packages/site/src/config/options.ts', 'audit.concurrency'],
      ['failed audits until a subcloud is offline', 'packages/site/src/config/options.ts', 'audit.failuresToOffline'],
      ['subclouds claimed by one statement', 'services/dcmanager/src/work/audit-loop.ts', 'claimMost'],
      ['a lease lasts longer than an audit by', 'services/dcmanager/src/work/audit-loop.ts', 'leaseSlackMs'],
      ['results are gathered for', 'services/dcmanager/src/work/audit-reporter.ts', 'windowMs'],
      ['results in one message', 'services/dcmanager/src/work/audit-reporter.ts', 'reportsMost'],
      ['results that wait to be sent', 'services/dcmanager/src/work/audit-reporter.ts', 'waitingMost'],
      ['time between two comparisons of alarms', 'services/dcmanager/src/work/state-alarms.ts', 'everyMs'],
      ['alarms raised or cleared in one request', 'services/dcmanager/src/work/state-alarms.ts', 'batchSize'],
      ['a certificate is overdue with less than this left', 'services/dcmanager/src/rules/sync-status.ts', 'certificateOverdueMs'],
    ],
  ],
  [
    'Between system controllers',
    [
      ['peers whose heartbeat is under way at once in one manager', 'services/dcmanager/src/work/peer-monitor.ts', 'peersAtOnce'],
      ['one request after a heartbeat', 'services/dcmanager/src/work/peer-monitor.ts', 'requestMs'],
      ['a lease lasts longer than a heartbeat by', 'services/dcmanager/src/work/peer-monitor.ts', 'leaseSlackMs'],
      [
        'syncs and deletions of associations at once in one manager, each',
        'services/dcmanager/src/work/association-sync.ts',
        'syncsAtOnce',
      ],
      ['standby copies in one request to a peer of this kind', 'services/dcmanager/src/rules/standby-copies.ts', 'entries'],
      ['one document of a standby copy in such a request', 'services/dcmanager/src/rules/standby-copies.ts', 'documentBytes'],
      ['documents that are sent in such a request', 'services/dcmanager/src/rules/standby-copies.ts', 'sentBytes'],
      ['such a request as it is read', 'services/dcmanager/src/rules/standby-copies.ts', 'requestBytes'],
      ['members sent to a peer of another kind at once', 'services/dcmanager/src/work/association-sync.ts', 'membersAtOnce'],
      ['members whose outcome is recorded together', 'services/dcmanager/src/work/association-sync.ts', 'membersPerRecord'],
      ['one request of a sync', 'services/dcmanager/src/work/association-sync.ts', 'requestMs'],
      ['the request that makes a standby copy', 'services/dcmanager/src/work/association-sync.ts', 'memberMs'],
      ['members named in the message of a failed sync', 'services/dcmanager/src/work/association-sync.ts', 'namedFailures'],
      ['a push of a group to its peers', 'services/dcmanager/src/work/peer-push.ts', 'deadlineMs'],
      ['an answer of a peer', 'packages/clients/src/peer.ts', 'answerBytes'],
      ['the members of a group, as a peer lists them', 'packages/clients/src/peer.ts', 'membersBytes'],
      ['entries of one list of a peer', 'packages/clients/src/peer.ts', 'entries'],
    ],
  ],
  [
    'Images',
    [
      ['a disk inside of an image', 'services/image/src/rules/limits.ts', 'mostVirtualBytes'],
      ['a sender of data is waited for', 'services/image/src/api/image-data.ts', 'stallMs'],
      ['a lease on data that is written; renewed at a third of it', 'services/image/src/store/data.ts', 'dataLeaseMs'],
      ['reserved at once of a quota where nobody knows how much comes', 'services/image/src/work/transfers.ts', 'reserveStepBytes'],
      ['imports at once in one manager', 'services/image/src/work/imports.ts', 'importsAtOnce'],
      ['attempts of an import whose ground failed', 'services/image/src/work/imports.ts', 'attempts'],
      ['a URL of web-download, characters', 'services/image/src/rules/import-source.ts', 'uriMostChars'],
      ['redirects that web-download follows', 'services/image/src/work/download.ts', 'hopsMost'],
      ['time to resolve a name for web-download', 'services/image/src/work/download.ts', 'resolveMs'],
      ['time until a source of web-download answers', 'services/image/src/work/download.ts', 'answerMs'],
      ['a source of web-download that sends nothing is left', 'services/image/src/work/download.ts', 'stallMs'],
      [
        'a source of web-download sends at least so many bytes in each minute',
        'services/image/src/work/download.ts',
        'slowestBytesPerMinute',
      ],
      ['a question to an S3 store', 'services/image/src/work/stores/s3-client.ts', 'questionDeadlineMs'],
      ['an S3 store that puts parts together', 'services/image/src/work/stores/s3-client.ts', 'completeDeadlineMs'],
      ['filters and other parameters of a list', 'services/image/src/rules/list-query.ts', 'parametersMost'],
      ['operations in one change of an image', 'services/image/src/rules/json-patch.ts', 'operationsMost'],
      ['commands in one request to the registry', 'services/image/src/api/registry.ts', 'batchMost'],
      ['time between two looks for dead writers and garbage', 'services/image/src/work/sweeper.ts', 'sweepEveryMs'],
      ['time between two comparisons of all bytes with all rows', 'services/image/src/work/sweeper.ts', 'proveEveryMs'],
    ],
  ],
  [
    'Identity',
    [
      ['a token lives', 'services/identity/src/rules/limits.ts', 'tokenLifetimeMs'],
      ['wrong passwords until an account is locked', 'services/identity/src/rules/limits.ts', 'lockoutFailures'],
      ['it stays locked', 'services/identity/src/rules/limits.ts', 'lockoutWindowMs'],
      ['password hashes at once', 'services/identity/src/rules/limits.ts', 'hashConcurrency'],
      ['sign-ins that wait for one', 'services/identity/src/rules/limits.ts', 'hashQueue'],
      ['a signing key signs', 'services/identity/src/rules/limits.ts', 'signingKeyAgeMs'],
      ['a signing key is published before it signs', 'services/identity/src/rules/limits.ts', 'signingKeyLeadMs'],
      ['entries of one list', 'services/identity/src/rules/limits.ts', 'maxListed'],
      ['time between two questions for revocations', 'packages/clients/src/trust-feed.ts', 'pollMs'],
      ['age of what is known of revocations', 'packages/clients/src/trust-feed.ts', 'maxAgeMs'],
      ['revocations kept in a process', 'packages/clients/src/trust-feed.ts', 'maxRevocations'],
    ],
  ],
  [
    'Messages between processes',
    [
      ['one message', 'packages/rpc/src/codec.ts', 'maxMessageBytes'],
      ['calls handled at once by one server', 'packages/rpc/src/server.ts', 'defaultMaxInFlight'],
      ['calls that wait for it', 'packages/rpc/src/server.ts', 'defaultMaxWaiting'],
      ['calls that wait for their answer', 'packages/rpc/src/nats/bus.ts', 'maxPendingCalls'],
    ],
  ],
  [
    'Databases',
    [
      ['attempts of a transaction that loses races', 'packages/data/src/handle.ts', 'attempts'],
      ['longest pause between two', 'packages/data/src/handle.ts', 'pauseCapMs'],
      ['SQLite: waiting for another process', 'packages/data/src/sqlite/driver.ts', 'busyLimitMs'],
      ['PostgreSQL: an idle transaction is ended after', 'packages/data/src/postgres/open.ts', 'idleTransactionLimitMs'],
      ['PostgreSQL: time to connect', 'packages/data/src/postgres/open.ts', 'connectLimitMs'],
    ],
  ],
  [
    'Archives of sites',
    [
      ['files and databases', 'packages/archive/src/limits.ts', 'entries'],
      ['all of them, unpacked', 'packages/archive/src/limits.ts', 'contentBytes'],
      ['what a chunk unpacks to', 'packages/archive/src/limits.ts', 'chunkBytes'],
      ['a row of a database', 'packages/archive/src/limits.ts', 'rowBytes'],
      ['a page of rows is about', 'packages/data/src/transfer/pages.ts', 'pageBytes'],
      ['chunks that are compressed at once', 'packages/archive/src/writer.ts', 'chunksAtOnce'],
    ],
  ],
  [
    'Sites',
    [
      ['a site file', 'packages/site/src/config/settle.ts', 'maxBytes'],
      ['a certificate of a site lives (days)', 'packages/site/src/certificate.ts', 'lifetimeMs'],
      ['it is renewed before its end (days)', 'packages/site/src/certificate.ts', 'renewBeforeMs'],
      ['time between two looks for a new sealing key', 'packages/site/src/open.ts', 'keyringPollMs'],
      ['`serve --detach` waits for a site', 'apps/murmur/src/serve/command.ts', 'readyTimeoutMs'],
      ['a stopping site answers what it has begun', 'apps/murmur/src/serve/serve.ts', 'drainMs'],
      ['`stop` waits before it kills', 'apps/murmur/src/serve/command.ts', 'stopGraceMs'],
    ],
  ],
]

/** The number that the source gives to a name: `name = 15_000`, `name: 16 * 1024`, `x ?? 32`, or the default of an option. */
export function valueOf(source: string, name: string): number {
  const escaped = name.replaceAll('.', '\\.')
  const option = new RegExp(`'${escaped}': option\\(.*?\\(\\) => ([\\d_]+)\\)`, 's').exec(source)
  const fallback = new RegExp(`\\b${escaped} \\?\\? ([\\d_ *]+)`).exec(source)
  const plain = new RegExp(`\\b${escaped}\\b(?:: number)?\\s*[=:]\\s*([\\d_][\\d_ *]*(?:\\* dayMs)?)`).exec(source)
  const text = (name.includes('.') ? option : (fallback ?? plain))?.[1]
  if (text === undefined) throw new Error(`no value of ${name} was found`)
  return text
    .replaceAll('_', '')
    .split('*')
    .map((factor) => factor.trim())
    .filter((factor) => factor !== 'dayMs' && factor !== '')
    .reduce((product, factor) => product * Number(factor), 1)
}

const exact = (value: number, units: readonly (readonly [size: number, name: string])[]): string => {
  const [size, name] = units.find(([unit]) => value % unit === 0 && value >= unit) ?? units.at(-1)!
  return `${(value / size).toLocaleString('en-US')} ${name}`
}

function spelled(value: number, name: string, what: string): string {
  if (what.endsWith('(days)')) return `${value} days`
  if (name.endsWith('Ms'))
    return exact(value, [
      [86_400_000, 'd'],
      [3_600_000, 'h'],
      [60_000, 'min'],
      [1_000, 's'],
      [1, 'ms'],
    ])
  if (name.endsWith('Bytes'))
    return exact(value, [
      [1_048_576, 'MiB'],
      [1_024, 'KiB'],
      [1, 'bytes'],
    ])
  return value.toLocaleString('en-US')
}

/** The table of architecture.md: what is limited, to how much, and where that stands. Values are read from the code. */
export function limitsTable(repository: string): string {
  const rows = limits.flatMap(([area, entries]) =>
    entries.map(([what, file, name], index) => {
      const value = valueOf(readFileSync(join(repository, file), 'utf8'), name)
      return [index === 0 ? `**${area}**` : '', what.replace(' (days)', ''), spelled(value, name, what), code(`${file} ${name}`)]
    }),
  )
  return table(['', 'what', 'limit', 'where'], rows)
}
