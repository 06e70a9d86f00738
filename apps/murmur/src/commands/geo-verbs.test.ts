import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { peerPassword, twoControllers, type Controller } from '@murmuration/dcmanager/geo-testing'
import { exitCodes } from '../exit.ts'
import { commandIn, ends, valueOf } from '../testing/command.ts'

const commandOf = (t: TestContext, { world, origin }: Controller, advance: (done: () => boolean) => Promise<void>) =>
  commandIn(
    t,
    { world, environment: { OS_AUTH_URL: `${origin}/v3`, OS_USERNAME: 'admin', OS_PASSWORD: peerPassword, OS_INTERFACE: 'public' } },
    advance,
  )

test('system-peer, peer-group and peer-group-association: every verb and option against a live API', async (t) => {
  const { one, two, links, manual, until } = await twoControllers(t)
  const advance = (done: () => boolean): Promise<void> => manual.until('the command to end', async () => done(), 1_000)
  const murmur = commandOf(t, one, advance)
  const there = commandOf(t, two, advance)
  for (const [name, value] of Object.entries({
    MURMUR_PEER_PASSWORD: peerPassword,
    MURMUR_REHOME_PASSWORD: 'Rehome*1',
    MURMUR_SYSADMIN_PASSWORD: 'Sysadmin*1',
  })) {
    process.env[name] = value
    t.after(() => delete process.env[name])
  }
  const peerOptions = (other: Controller): string[] => {
    const known = ['--peer-uuid', other.uuid, '--peer-name', other.name, '--manager-endpoint', `${other.origin}/v3`]
    return [...known, '--manager-username', 'user-admin@admin', '--peer-controller-gateway-address', '127.0.0.253']
  }

  await t.test('system-peer add: what is missing is told before a password is asked for; every option arrives', async () => {
    await assert.rejects(
      murmur('system-peer', 'add', '--peer-name', 'x'),
      ends(exitCodes.usage, /Missing: --peer-uuid, --manager-endpoint, --manager-username/),
    )
    const options = ['--administrative-state', 'enabled', '--heartbeat-interval', '10', '--heartbeat-failure-threshold', '3']
    const policy = ['--heartbeat-failure-policy', 'rehome', '--heartbeat-maintenance-timeout', '300', '--rehome-password']
    await assert.rejects(
      murmur('system-peer', 'add', ...peerOptions(two), '--heartbeat-interval', 'soon'),
      ends(exitCodes.usage, /--heartbeat-interval soon: give a whole number/),
    )
    await assert.rejects(
      murmur('system-peer', 'add', ...peerOptions(two), '--heartbeat-interval', '5'),
      ends(exitCodes.refused, /heartbeat.interval.*10.*HTTP 400/s),
    )
    const made = await murmur('system-peer', 'add', ...peerOptions(two), ...options, ...policy)
    for (const [field, value] of [
      ['peer name', 'dc-2'],
      ['manager endpoint', 'http://dc-2.test/v3'],
      ['controller gateway address', '127.0.0.253'],
      ['heartbeat interval', '10'],
      ['heartbeat failure threshold', '3'],
      ['heartbeat failure policy', 'rehome'],
      ['heartbeat maintenance timeout', '300'],
      ['administrative state', 'enabled'],
      ['availability state', 'created'],
    ] as const)
      assert.equal(valueOf(made, field), value, made.out)
    assert.ok(!`${made.out}${made.err}`.includes(peerPassword) && !made.out.includes('Rehome*1'))
    await assert.rejects(murmur('system-peer', 'add', ...peerOptions(two)), ends(exitCodes.conflict, /HTTP 409/))
    await there('system-peer', 'add', ...peerOptions(one), '--heartbeat-interval', '10')
  })

  await t.test('system-peer list, show, update', async () => {
    const listed = await murmur('system-peer', 'list', '-f', 'csv')
    assert.equal(
      listed.out,
      `id,peer uuid,peer name,manager endpoint,controller gateway address,availability state\n1,${two.uuid},dc-2,http://dc-2.test/v3,127.0.0.253,created\n`,
    )
    for (const ref of ['dc-2', '1', two.uuid])
      assert.equal((await murmur('system-peer', 'show', ref, '-f', 'value', '-c', 'peer name')).out, 'dc-2\n')
    await assert.rejects(murmur('system-peer', 'show', 'nobody'), ends(exitCodes.notFound, /System Peer not found/))
    await assert.rejects(murmur('system-peer', 'update', 'dc-2'), ends(exitCodes.usage, /Nothing to change/))
    const changed = await murmur(
      'system-peer',
      'update',
      'dc-2',
      '--heartbeat-failure-policy',
      'alarm',
      '--no-rehome-password',
      '--manager-password',
    )
    assert.equal(valueOf(changed, 'heartbeat failure policy'), 'alarm')
    assert.equal(valueOf(changed, 'takeover'), 'off')
    const delegate = await murmur('system-peer', 'update', 'dc-2', '--heartbeat-failure-policy', 'delegate')
    assert.match(delegate.err, /delegate/, 'the reply says that it behaves as alarm')
    await murmur('system-peer', 'update', 'dc-2', '--heartbeat-failure-policy', 'alarm')
  })

  await t.test('peer-group add, list, show, update, list-subclouds, status', async () => {
    const made = await murmur(
      'peer-group',
      'add',
      '--peer-group-name',
      'spg-north',
      '--group-state',
      'enabled',
      '--max-subcloud-rehoming',
      '20',
    )
    assert.deepEqual(
      ['group priority', 'system leader name', 'max subcloud rehoming', 'migration status'].map((field) => valueOf(made, field)),
      ['0', 'dc-1', '20', '-'],
    )
    await assert.rejects(murmur('peer-group', 'add', '--peer-group-name', 'spg-north'), ends(exitCodes.conflict, /HTTP 409/))
    await assert.rejects(murmur('peer-group', 'update', 'spg-north', '--max-subcloud-rehoming', '0'), ends(exitCodes.refused, /HTTP 400/))
    assert.equal(
      (await murmur('peer-group', 'list', '-f', 'value', '-c', 'id', 'peer group name', '--sort-column', 'id')).out,
      '1 spg-north\n',
    )
    const renamed = await murmur(
      'peer-group',
      'update',
      'spg-north',
      '--peer-group-name',
      'spg-a',
      '--max-subcloud-rehoming',
      '5',
      '--group-state',
      'enabled',
    )
    assert.equal(valueOf(renamed, 'peer group name'), 'spg-a')
    assert.equal(valueOf(await murmur('peer-group', 'show', 'spg-a'), 'max subcloud rehoming'), '5')
    await one.add(3)
    await one.database.query
      .updateTable('subclouds')
      .set({ deploy_status: 'complete', management_state: 'managed', availability_status: 'online' })
      .execute()
    await one.database.query
      .updateTable('jobs')
      .set({ state: 'done', exclusive_key: null, finished_at: 'x' as never })
      .execute()
    await murmur('subcloud', 'update', 'subcloud3', '--peer-group', 'spg-a')
    const members = await murmur('peer-group', 'list-subclouds', 'spg-a', '-f', 'json', '-c', 'name', 'deploy status')
    assert.deepEqual(JSON.parse(members.out), [{ name: 'subcloud3', 'deploy status': 'complete' }])
    const status = await murmur('peer-group', 'status', 'spg-a')
    assert.deepEqual(
      ['total_subclouds', 'complete', 'managed', 'rehoming', 'migration_status', 'system_leader_name'].map((field) =>
        valueOf(status, field),
      ),
      ['1', '1', '1', '0', '-', 'dc-1'],
    )
  })

  await t.test('peer-group-association add --wait, list, show, sync --wait, update', async () => {
    await Promise.all([one.start(), two.start()])
    await assert.rejects(
      murmur('peer-group-association', 'add', '--peer-group', 'spg-a', '--system-peer', 'nobody', '--peer-group-priority', '1'),
      ends(exitCodes.notFound, /System Peer not found/),
    )
    const made = await murmur(
      'peer-group-association',
      'add',
      '--peer-group',
      'spg-a',
      '--system-peer',
      'dc-2',
      '--peer-group-priority',
      '1',
      '--wait',
      '--timeout',
      '600',
    )
    assert.equal(valueOf(made, 'sync status'), 'in-sync', `${made.out}${made.err}`)
    const row = await murmur('peer-group-association', 'list', '-f', 'value')
    assert.match(row.out, /^1 .*primary.*in-sync/)
    await murmur('subcloud', 'update', 'subcloud3', '--description', 'on the hill')
    await until(
      'it is out of sync',
      async () => valueOf(await murmur('peer-group-association', 'show', '1'), 'sync status') === 'out-of-sync',
    )
    const synced = await murmur('peer-group-association', 'sync', '1', '--wait')
    assert.equal(valueOf(synced, 'sync status'), 'in-sync', `${synced.out}${synced.err}`)
    assert.equal(valueOf(await murmur('peer-group-association', 'update', '1', '--peer-group-priority', '2'), 'peer group priority'), '2')
    await assert.rejects(there('peer-group-association', 'sync', '1'), ends(exitCodes.refused, /HTTP 400/))
    assert.equal((await murmur('system-peer', 'list-subcloud-peer-groups', 'dc-2', '-f', 'value', '-c', 'peer group name')).out, 'spg-a\n')
    const list = JSON.parse((await there('subcloud', 'list', '-f', 'json')).out) as unknown[]
    assert.deepEqual(list, [], 'standby copies are hidden')
    assert.match((await there('subcloud', 'list', '--all', '-f', 'value', '-c', 'name', 'deploy status')).out, /^subcloud3 secondary\n$/)
  })

  await t.test('--watch prints again until it is interrupted, and goes on when the API was away', async () => {
    const watch = async (words: readonly string[], awayFor: number) => {
      let pauses = 0
      const sleep = async (ms: number): Promise<void> => {
        assert.equal(ms, 2_000)
        pauses += 1
        if (pauses === 2 && awayFor > 0) links.down.add(one.origin)
        if (pauses === 2 + awayFor) links.down.delete(one.origin)
        if (pauses === 3 + awayFor) throw new Error('interrupted')
      }
      const command = commandOf(t, { ...one, world: { ...one.world, timers: { ...one.world.timers, sleep } } }, advance)
      const ended = (await command(...words, '--watch').catch((error: unknown) => error)) as Error & { said: { out: string; err: string } }
      assert.equal(ended.message, 'interrupted')
      return ended.said
    }
    for (const [words, field] of [
      [['peer-group', 'status', 'spg-a'], 'total_subclouds'],
      [['system-peer', 'show', 'dc-2'], 'peer name'],
      [['peer-group-association', 'show', '1'], 'sync status'],
      [['peer-group-association', 'list'], 'sync status'],
    ] as const) {
      const { out, err } = await watch(words, 0)
      assert.deepEqual([out.split(field).length, err], [4, ''], out)
    }
    const { out, err } = await watch(['peer-group', 'status', 'spg-a'], 2)
    assert.equal(out.split('total_subclouds').length, 4, out)
    assert.match(err, /^[^\n]* can not be reached: [^\n]*asked again every 2 s\)\n$/)
  })

  await t.test('what is meant for another site, for nobody or for later is refused with what to do', async () => {
    for (const [[at, words], code, wanted] of [
      [
        [there, ['peer-group', 'update', 'spg-a', '--max-subcloud-rehoming', '7']],
        exitCodes.refused,
        /Cannot update a peer group from a non-primary site/,
      ],
      [[murmur, ['peer-group', 'update', 'spg-a']], exitCodes.usage, /Nothing to change/],
      [
        [murmur, ['peer-group', 'update', 'spg-a', '--max-subcloud-rehoming', 'many']],
        exitCodes.usage,
        /--max-subcloud-rehoming many: give a whole number/,
      ],
      [[murmur, ['peer-group', 'update', 'spg-a', '--group-state', 'asleep']], exitCodes.refused, /group-state.*HTTP 400/s],
      [[murmur, ['peer-group', 'status', 'nobody']], exitCodes.notFound, /Subcloud Peer Group not found/],
      [[murmur, ['peer-group', 'list-subclouds', 'no/body']], exitCodes.notFound, /Subcloud Peer Group not found/],
      [[murmur, ['peer-group', 'show', ' ']], exitCodes.usage, /is empty/],
      [[murmur, ['system-peer', 'list-subcloud-peer-groups', 'nobody']], exitCodes.notFound, /System Peer not found/],
      [
        [murmur, ['system-peer', 'update', 'dc-2', '--administrative-state', 'asleep']],
        exitCodes.refused,
        /administrative.state.*HTTP 400/s,
      ],
      [[murmur, ['peer-group-association', 'show', 'spg-a']], exitCodes.usage, /associations have numbers.*peer-group-association list/],
      [[murmur, ['peer-group-association', 'show', '77']], exitCodes.notFound, /Peer Group Association not found/],
      [[murmur, ['peer-group-association', 'sync', '1', '--timeout', '0']], exitCodes.usage, /--timeout 0: give a number of seconds/],
      [
        [murmur, ['peer-group-association', 'update', '1', '--peer-group-priority', '0']],
        exitCodes.refused,
        /peer_group_priority.*HTTP 400/s,
      ],
      [[there, ['peer-group-association', 'update', '1', '--peer-group-priority', '3']], exitCodes.refused, /not primary.*HTTP 400/s],
      [
        [murmur, ['peer-group-association', 'add', '--peer-group', 'spg-a', '--system-peer', 'dc-2', '--peer-group-priority', '1']],
        exitCodes.refused,
        /already exists/,
      ],
      [
        [murmur, ['peer-group-association', 'add', '--peer-group', 'spg-a', '--system-peer', 'dc-2', '--peer-group-priority', 'one']],
        exitCodes.usage,
        /--peer-group-priority one: give a whole number/,
      ],
    ] as const)
      await assert.rejects(at(...words), ends(code, wanted))
  })

  await t.test('peers are told of a group; a sync that fails or takes too long says so; a subcloud leaves, and is given up', async () => {
    const pushed = await murmur('peer-group', 'update', 'spg-a', '--group-state', 'disabled')
    assert.deepEqual([pushed.err, valueOf(await there('peer-group', 'show', 'spg-a'), 'group state')], ['', 'disabled'])
    links.down.add(two.origin)
    await assert.rejects(murmur('peer-group', 'update', 'spg-a', '--group-state', 'enabled'), ends(exitCodes.refused, /on any peer: dc-2/))
    await assert.rejects(
      murmur('peer-group-association', 'sync', '1', '--wait', '--timeout', '2'),
      ends(exitCodes.waitTimeout, /not ended in time; it goes on.*association show 1/),
    )
    await until(
      'that sync has failed',
      async () => valueOf(await murmur('peer-group-association', 'show', '1'), 'sync status') !== 'syncing',
    )
    links.down.clear()
    await until('dc-2 is back', async () => (await one.peerIsAvailable()) === 'available')
    assert.equal(valueOf(await murmur('peer-group', 'update', 'spg-a', '--group-state', 'enabled'), 'group state'), 'enabled')
    await two.database.query.updateTable('subclouds').set({ deploy_status: 'complete' }).execute()
    await assert.rejects(
      murmur('peer-group-association', 'sync', '1', '--wait'),
      ends(exitCodes.refused, /The sync failed: .*subcloud3 \(it is complete there, and not a standby copy\)/),
    )
    await two.database.query.updateTable('subclouds').set({ deploy_status: 'secondary' }).execute()
    assert.match((await murmur('subcloud', 'update', 'subcloud3', '--peer-group', 'none')).err, /peer-group-association sync 1/)
    await murmur('subcloud', 'update', 'subcloud3', '--peer-group', 'spg-a')
    assert.equal(valueOf(await murmur('peer-group-association', 'sync', '1', '--wait'), 'sync status'), 'in-sync')
  })

  await t.test('peer-group migrate: the plan of the standby, the confirmation, and the migration that is followed', async () => {
    const plan = await there('peer-group', 'migrate', 'spg-a', '--plan')
    assert.match(plan.out, /\| name +\| deploy status \| migrate \| reason/)
    assert.match(plan.out, /\| subcloud3 \| secondary +\| yes +\| -/)
    const own = await murmur('peer-group', 'migrate', 'spg-a', '--plan', '-f', 'json')
    assert.deepEqual(
      (JSON.parse(own.out) as { migrate: string }[]).map(({ migrate }) => migrate),
      ['no'],
    )
    await assert.rejects(there('peer-group', 'migrate', 'spg-a'), ends(exitCodes.usage, /Take 1 of 1 subclouds of spg-a over.*Add --yes/s))
    await assert.rejects(
      there('peer-group', 'migrate', 'spg-a', '--yes', '--wait', '--timeout', '5'),
      ends(exitCodes.waitTimeout, /not migrated after 5 s; it goes on. murmur peer-group status spg-a/),
    )
    await assert.rejects(there('peer-group', 'migrate', 'spg-a', '--yes'), ends(exitCodes.conflict, /peer-group\.migrate/))
    const status = await there('peer-group', 'status', 'spg-a')
    assert.deepEqual(
      ['migration_status', 'migration waiting', 'waiting_for_migrate'].map((field) => valueOf(status, field)),
      ['migrating', '1', '1'],
    )
  })

  await t.test('subcloud-backup --group --wait: some done and some skipped is partly done', async () => {
    const { query } = one.database
    for (const n of [8, 9]) assert.equal((await one.add(n)).status, 200)
    await query.updateTable('jobs').set({ state: 'done', exclusive_key: null }).execute()
    const rests = { deploy_status: 'complete', backup_status: null } as const
    await query.updateTable('subclouds').set(rests).execute()
    await query.updateTable('subclouds').set({ backup_status: 'validating' }).where('name', '=', 'subcloud8').execute()
    const end = async (): Promise<void> => {
      const ended = { state: 'done', exclusive_key: null, outcome: '{"removed":1}' } as const
      await query.updateTable('jobs').set(ended).where('kind', '=', 'subcloud.delete-backup').where('state', '=', 'queued').execute()
    }
    // Nobody works in this fleet: what the command waits for is ended while it waits.
    const command = commandOf(t, one, async (done) => advance(() => (void end(), done())))
    await assert.rejects(
      command('subcloud-backup', 'delete', '26.09', '--group', 'Default', '--yes', '--wait'),
      ends(exitCodes.partial, /^skipped: subcloud8 Mend/),
    )
  })

  await t.test('delete: asks, refuses what is in use, and ends the association at both sites', async () => {
    await assert.rejects(murmur('system-peer', 'delete', 'dc-2'), ends(exitCodes.usage, /no terminal to ask on.*--yes/s))
    await assert.rejects(murmur('system-peer', 'delete', 'dc-2', '--yes'), ends(exitCodes.refused, /HTTP 400/))
    await assert.rejects(murmur('peer-group', 'delete', 'spg-a', '--yes'), ends(exitCodes.refused, /associated with a system peer/))
    await murmur('peer-group', 'add', '--peer-group-name', 'spg-z')
    assert.equal((await murmur('peer-group', 'delete', 'spg-z', '--yes')).err, 'Peer group spg-z is deleted.\n')
    const third = { ...two, uuid: '33333333-0000-4000-8000-000000000000', name: 'dc-3' }
    await murmur('system-peer', 'add', ...peerOptions(third))
    assert.equal((await murmur('system-peer', 'delete', third.uuid, '--yes')).err, `System peer ${third.uuid} is deleted.\n`)
    // It is on its way to the other site, which nobody may lose meanwhile.
    await assert.rejects(there('peer-group-association', 'delete', '1', '--yes'), ends(exitCodes.conflict, /peer-group\.migrate/))
    await two.database.query.updateTable('jobs').set({ state: 'done', exclusive_key: null }).execute()
    await there('peer-group-association', 'delete', '1', '--yes')
    assert.equal((await there('peer-group-association', 'list', '-f', 'value')).out.trim(), '')
  })
})

test('subcloud add --migrate and --secondary', async (t) => {
  const { one, manual } = await twoControllers(t)
  const murmur = commandOf(t, one, (done) => manual.until('the command to end', async () => done(), 1_000))
  const file = `${one.site.config.varFolder}/values.yaml`
  await one.site.world.files.write(file, one.values(3))
  const values = ['--bootstrap-values', file, '--bootstrap-address', '127.1.3.2']
  for (const [words, wanted] of [
    [['--migrate'], /--bootstrap-values is needed/],
    [[...values, '--migrate', '--secondary'], /one of --migrate and --secondary/],
    [[...values, '--migrate', '--deploy-config', file], /--deploy-config is for/],
    [[...values, '--secondary'], /--region-name is needed/],
    [[...values, '--region-name', 'x'], /only for --secondary/],
  ] as const)
    await assert.rejects(murmur('subcloud', 'add', ...words), ends(exitCodes.usage, wanted))
  const copy = await murmur('subcloud', 'add', ...values, '--secondary', '--region-name', 'abcd0000000000000000000000000001', '-f', 'json')
  const shown = JSON.parse(copy.out) as Record<string, string>
  assert.deepEqual([shown['deploy_status'], shown['region_name']], ['secondary', 'abcd0000000000000000000000000001'])
})
