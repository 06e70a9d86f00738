import { createHash } from 'node:crypto'
import { changeSource } from './change.ts'

/**
 * What runs on the server. KEYS[1] is `{namespace/group}:n`, the group's commit number; all other keys of a group begin alike and lie
 * in the same slot:
 *
 *   :r:<table>:<row key>      version (16 digits) and the row as JSON
 *   :i:<table>:<index>        sorted set of index members, all with score 0; index 0 is the primary key's
 *   :tv   hash of table → number of the commit that changed it last
 *   :seq  hash of table → last id given out
 *   :cat  hash: `version`, and a JSON text for each table
 *   :c:<commit id>            outcome of a commit: its number, or `refused`
 *   :k:<lock>  :kf            locks, and the counter of their fencing tokens
 *   :s:<id>:…                 a snapshot: all of these but the last three once more
 */
const source = String.raw`
local function names(keys)
  local base = string.sub(keys[1], 1, -3)
  return base, base .. ':i:', base .. ':r:', base .. ':tv', base .. ':cat'
end

local function index_range(key, lo, hi, reverse, limit)
  if reverse == '1' then return redis.call('ZRANGE', key, hi, lo, 'BYLEX', 'REV', 'LIMIT', '0', limit) end
  return redis.call('ZRANGE', key, lo, hi, 'BYLEX', 'LIMIT', '0', limit)
end

-- The keys of the rows that entries lead to: the end of an entry tells how long its key is.
local function row_keys(index, members)
  if index == '0' then return members end
  local sub, keys, digits, length = string.sub, {}, '', 0
  for i = 1, #members do
    local member = members[i]
    local last = sub(member, -4)
    if last ~= digits then digits, length = last, tonumber(last, 16) end
    keys[i] = sub(member, -4 - length, -5)
  end
  return keys
end

-- The rows one after the other, as joined.ts takes them apart; nothing for one that is not there.
local function rows_of(prefix, keys, suffix)
  local rows, count = {}, #keys
  for at = 1, count, 1000 do
    local part = {}
    for i = at, math.min(at + 999, count) do part[i - at + 1] = prefix .. keys[i] .. suffix end
    local got = redis.call('MGET', unpack(part))
    for i = 1, #got do rows[at + i - 1] = got[i] or '' end
  end
  return table.concat(rows, '\n')
end

-- Entries of an index, and the rows that they lead to when these are wanted; and the keys of the rows.
local function entries_of(prefix, index, members, rows)
  local wanted = row_keys(index, members)
  return table.concat(members, '\0\n'), rows == '1' and rows_of(prefix, wanted, '') or '', wanted
end

local function table_versions(key, tables)
  if #tables == 0 then return {} end
  local got = redis.call('HMGET', key, unpack(tables))
  for i = 1, #got do got[i] = got[i] or '' end
  return got
end

-- Several ranges of one index: how many entries each has, all entries, all rows; and the keys of the rows. Ends early when there are many.
local function many_ranges(keys, tid, index, limit, rows, reverse, count, bounds)
  local base, ibase, rbase = names(keys)
  local key, counts, members, size = ibase .. tid .. ':' .. index, {}, {}, 0
  for i = 1, count do
    if size > 20000 then break end
    local low, high = bounds(i)
    local got = index_range(key, low, high, reverse, limit)
    counts[i] = #got
    for j = 1, #got do members[size + j] = got[j] end
    size = size + #got
  end
  local entries, texts, wanted = entries_of(rbase .. tid .. ':', index, members, rows)
  return { table.concat(counts, ','), entries, texts }, wanted
end

-- G: rows by key; R: a range; M: many ranges; P: many, each of all entries that begin alike; F: for each row that the last of these found, the row or the entries whose key is that
-- row's with a suffix; C: how many rows; L: how many entries; S: numbers of a counter. Does those that begin at an argument; nil when it knows one of them not.
local function results_of(keys, argv, at)
  local base, ibase, rbase = names(keys)
  local results, last = {}, {}
  while at <= #argv do
    local op = argv[at]
    if op == 'G' then
      local prefix, count, wanted = rbase .. argv[at + 1] .. ':', tonumber(argv[at + 2]), {}
      for i = 1, count do wanted[i] = argv[at + 2 + i] end
      results[#results + 1] = rows_of(prefix, wanted, '')
      last = wanted
      at = at + 3 + count
    elseif op == 'R' then
      local tid, index = argv[at + 1], argv[at + 2]
      local members = index_range(ibase .. tid .. ':' .. index, argv[at + 3], argv[at + 4], argv[at + 5], argv[at + 6])
      local entries, texts, wanted = entries_of(rbase .. tid .. ':', index, members, argv[at + 7])
      results[#results + 1] = { entries, texts }
      last = wanted
      at = at + 8
    elseif op == 'M' or op == 'P' then
      local count, from = tonumber(argv[at + 6]), at + 6
      local function bounds(i) return argv[from + 2 * i - 1], argv[from + 2 * i] end
      local function beginning(i) return '[' .. argv[from + i], '(' .. argv[from + i] .. '\127' end
      results[#results + 1], last =
        many_ranges(keys, argv[at + 1], argv[at + 2], argv[at + 3], argv[at + 4], argv[at + 5], count, op == 'P' and beginning or bounds)
      at = at + 7 + (op == 'P' and 1 or 2) * count
    elseif op == 'F' and argv[at + 5] == '1' then
      results[#results + 1] = rows_of(rbase .. argv[at + 1] .. ':', last, argv[at + 4])
      at = at + 7
    elseif op == 'F' then
      local suffix = argv[at + 4]
      local function bounds(i) return '[' .. last[i] .. suffix, '(' .. last[i] .. suffix .. '\127' end
      results[#results + 1] = many_ranges(keys, argv[at + 1], argv[at + 2], argv[at + 3], argv[at + 6], '0', #last, bounds)
      at = at + 7
    elseif op == 'C' then
      results[#results + 1] = redis.call('ZCARD', ibase .. argv[at + 1] .. ':0')
      at = at + 2
    elseif op == 'L' then
      results[#results + 1] = redis.call('ZLEXCOUNT', ibase .. argv[at + 1] .. ':' .. argv[at + 2], argv[at + 3], argv[at + 4])
      at = at + 5
    elseif op == 'S' then
      results[#results + 1] = redis.call('HINCRBY', base .. ':seq', argv[at + 1], argv[at + 2])
      at = at + 3
    else
      return nil
    end
  end
  return results
end

-- Returns where it stopped, or nil and what is not as it was read.
local function check(keys, argv, at)
  local base, ibase, rbase, tv, cat = names(keys)
  while at <= #argv do
    local op = argv[at]
    if op == 'W' then return at + 1 end
    if op == 'V' then
      local prefix, count = rbase .. argv[at + 1] .. ':', tonumber(argv[at + 2])
      for i = 1, count do
        if redis.call('GETRANGE', prefix .. argv[at + 1 + 2 * i], 0, 15) ~= argv[at + 2 + 2 * i] then return nil, 'row ' .. argv[at + 1] end
      end
      at = at + 3 + 2 * count
    elseif op == 'E' then
      local prefix, count = rbase .. argv[at + 1] .. ':', tonumber(argv[at + 2])
      for i = 1, count do
        if redis.call('EXISTS', prefix .. argv[at + 2 + i]) == 0 then return nil, 'row ' .. argv[at + 1] end
      end
      at = at + 3 + count
    elseif op == 'R' then
      local members = index_range(ibase .. argv[at + 1] .. ':' .. argv[at + 2], argv[at + 3], argv[at + 4], argv[at + 5], argv[at + 6])
      if redis.sha1hex(table.concat(members, '\n')) ~= argv[at + 7] then return nil, 'range ' .. argv[at + 1] end
      at = at + 8
    elseif op == 'T' then
      if (redis.call('HGET', tv, argv[at + 1]) or '') ~= argv[at + 2] then return nil, 'table ' .. argv[at + 1] end
      at = at + 3
    elseif op == 'C' then
      if redis.call('ZCARD', ibase .. argv[at + 1] .. ':0') ~= tonumber(argv[at + 2]) then return nil, 'count ' .. argv[at + 1] end
      at = at + 3
    elseif op == 'F' then
      if redis.call('GET', base .. ':k:' .. argv[at + 1]) ~= argv[at + 2] then return nil, 'lock' end
      at = at + 3
    else
      return nil, 'operation'
    end
  end
  return at
end

-- What both of the next begin with. ARGV: schema version, number of tables to report, their ids.
local function reported(keys, argv)
  local base, ibase, rbase, tv, cat = names(keys)
  local schema = redis.call('HGET', cat, 'version') or '0'
  if argv[1] ~= '' and argv[1] ~= schema then return nil, { 'schema', schema } end
  local tables, count = {}, tonumber(argv[2])
  for i = 1, count do tables[i] = argv[2 + i] end
  return table_versions(tv, tables), 3 + count
end

-- Then reads.
local function read(keys, argv)
  local versions, at = reported(keys, argv)
  if not versions then return at end
  local results = results_of(keys, argv, at)
  if not results then return redis.error_reply('ERR unknown read operation') end
  return { 'ok', versions, results }
end

-- Then checks, 'W', reads: the reads are made when what was read before is still so. Nothing is written.
local function validate(keys, argv)
  local versions, at = reported(keys, argv)
  if not versions then return at end
  local reads, problem = check(keys, argv, at)
  if problem then return { 'conflict', problem } end
  local results = results_of(keys, argv, reads)
  if not results then return redis.error_reply('ERR unknown read operation') end
  return { 'ok', versions, results }
end

local function call_many(command, key, argv, from, count, score)
  local at = from
  while at < from + count do
    local part = {}
    for i = at, math.min(at + 999, from + count - 1) do
      if score then part[#part + 1] = '0' end
      part[#part + 1] = argv[i]
    end
    redis.call(command, key, unpack(part))
    at = at + 1000
  end
end

-- ARGV: commit id, how long to remember it (ms), schema version, then checks, 'W', writes. Everything or nothing:
-- all that can be refused is refused before the first write.
local function commit(keys, argv)
  local base, ibase, rbase, tv, cat = names(keys)
  local outcome_key = base .. ':c:' .. argv[1]
  local before = redis.call('GET', outcome_key)
  if before == 'refused' then return { 'refused' } end
  if before then return { 'ok', before } end
  local schema = redis.call('HGET', cat, 'version') or '0'
  if argv[3] ~= schema then return { 'schema', schema } end
  local at, problem = check(keys, argv, 4)
  if problem then return { 'conflict', problem } end
  local number = string.format('%016.0f', redis.call('INCR', keys[1]))
  redis.call('SET', outcome_key, number, 'PX', argv[2])
  while at <= #argv do
    local op = argv[at]
    if op == 'P' then
      local prefix, count = rbase .. argv[at + 1] .. ':', tonumber(argv[at + 2])
      for i = 1, count do redis.call('SET', prefix .. argv[at + 1 + 2 * i], number .. argv[at + 2 + 2 * i]) end
      redis.call('HSET', tv, argv[at + 1], number)
      at = at + 3 + 2 * count
    elseif op == 'D' then
      local prefix, count = rbase .. argv[at + 1] .. ':', tonumber(argv[at + 2])
      for i = 1, count do redis.call('DEL', prefix .. argv[at + 2 + i]) end
      redis.call('HSET', tv, argv[at + 1], number)
      at = at + 3 + count
    elseif op == 'A' or op == 'Z' then
      local key, count = ibase .. argv[at + 1] .. ':' .. argv[at + 2], tonumber(argv[at + 3])
      call_many(op == 'A' and 'ZADD' or 'ZREM', key, argv, at + 4, count, op == 'A')
      at = at + 4 + count
    elseif op == 'Q' then
      if tonumber(redis.call('HGET', base .. ':seq', argv[at + 1]) or '0') < tonumber(argv[at + 2]) then
        redis.call('HSET', base .. ':seq', argv[at + 1], argv[at + 2])
      end
      at = at + 3
    elseif op == 'K' then
      if argv[at + 2] == '' then redis.call('HDEL', cat, argv[at + 1]) else redis.call('HSET', cat, argv[at + 1], argv[at + 2]) end
      redis.call('HSET', cat, 'version', number)
      at = at + 3
    elseif op == 'X' then
      redis.call('UNLINK', base .. argv[at + 1])
      at = at + 2
    elseif op == 'H' then
      redis.call('HDEL', base .. argv[at + 1], argv[at + 2])
      at = at + 3
    end
  end
  return { 'ok', number }
end

-- ARGV: commit id, how long to remember it. Answers the number of the commit; one that has not arrived yet is refused from now on.
local function outcome(keys, argv)
  local base = names(keys)
  local key = base .. ':c:' .. argv[1]
  local found = redis.call('GET', key)
  if found then return found end
  redis.call('SET', key, 'refused', 'PX', argv[2])
  return 'refused'
end

-- ARGV: where to (after the base), how long to keep it (ms), schema version, then tables, each with its indexes ("0,1,2"). Copies all
-- rows and indexes as they are now.
local function snapshot(keys, argv)
  local base, ibase, rbase, tv, cat = names(keys)
  local schema = redis.call('HGET', cat, 'version') or '0'
  if argv[3] ~= schema then return { 'schema', schema } end
  local to = base .. argv[1]
  local function take(name)
    if redis.call('COPY', base .. name, to .. name) == 1 then redis.call('PEXPIRE', to .. name, argv[2]) end
  end
  for _, name in ipairs({ ':n', ':tv', ':seq', ':cat' }) do take(name) end
  for at = 4, #argv, 2 do
    for index in string.gmatch(argv[at + 1], '%d+') do take(':i:' .. argv[at] .. ':' .. index) end
    local rows = redis.call('ZRANGE', ibase .. argv[at] .. ':0', 0, -1)
    for i = 1, #rows do take(':r:' .. argv[at] .. ':' .. rows[i]) end
  end
  return { 'ok' }
end

-- KEYS[1] is that of a snapshot. ARGV: its tables, as above.
local function forget(keys, argv)
  local base, ibase, rbase, tv, cat = names(keys)
  for at = 1, #argv, 2 do
    local rows = redis.call('ZRANGE', ibase .. argv[at] .. ':0', 0, -1)
    for i = 1, #rows do redis.call('UNLINK', rbase .. argv[at] .. ':' .. rows[i]) end
    for index in string.gmatch(argv[at + 1], '%d+') do redis.call('UNLINK', ibase .. argv[at] .. ':' .. index) end
  end
  redis.call('UNLINK', keys[1], tv, cat, base .. ':seq')
  return { 'ok' }
end

-- ARGV: lock, owner, ttl (ms). Answers owner and token as stored, or '' when somebody else holds it.
local function lock_acquire(keys, argv)
  local base = names(keys)
  local key = base .. ':k:' .. argv[1]
  local held = redis.call('GET', key)
  if held then
    if string.sub(held, 1, #argv[2] + 1) ~= argv[2] .. ' ' then return '' end
    redis.call('PEXPIRE', key, argv[3])
    return held
  end
  local value = argv[2] .. ' ' .. string.format('%.0f', redis.call('INCR', base .. ':kf'))
  redis.call('SET', key, value, 'PX', argv[3])
  return value
end

-- ARGV: lock, value, ttl (ms; 0 releases). Answers 1 when it was still held.
local function lock_keep(keys, argv)
  local base = names(keys)
  local key = base .. ':k:' .. argv[1]
  if redis.call('GET', key) ~= argv[2] then return 0 end
  if argv[3] == '0' then redis.call('DEL', key) else redis.call('PEXPIRE', key, argv[3]) end
  return 1
end
`

/** Nothing else is told by a server that was demoted, made like another one and promoted again on an open connection: 4 µs a call. */
const historySource = String.raw`
-- Who calls says last which history of the data he takes this for.
local function in_history(callback)
  return function(keys, argv)
    local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
    if table.remove(argv) ~= history then return redis.error_reply('-HISTORY ' .. history) end
    return callback(keys, argv)
  end
end
`

interface Registered {
  /** Of the text above; default: as it is called. */
  readonly callback?: string
  /** What a server without memory still does; it refuses the others. */
  readonly flag?: 'allow-oom'
}

const entries = {
  // Numbers of a counter are taken by these, and nothing else is written.
  read: { flag: 'allow-oom' },
  validate: { flag: 'allow-oom' },
  commit: {},
  change: {},
  // The same for what only deletes: nothing else gives the server memory again.
  commit_freeing: { callback: 'commit', flag: 'allow-oom' },
  change_freeing: { callback: 'change', flag: 'allow-oom' },
  outcome: { flag: 'allow-oom' },
  snapshot: {},
  forget: { flag: 'allow-oom' },
  lock_acquire: {},
  lock_keep: { flag: 'allow-oom' },
} as const satisfies Record<string, Registered>
export type LibraryFunction = keyof typeof entries

/** Processes of different versions may share a server: a library's name holds the digest of its text. */
const code = source + changeSource + historySource
const digest = createHash('sha256').update(code).digest('hex').slice(0, 12)
export const functionName = (entry: LibraryFunction): string => `kr_${digest}_${entry}`
export const libraryCode = `#!lua name=kysely_redis_${digest}
${code}
${Object.entries<Registered>(entries)
  .map(([name, { callback = name, flag }]) => {
    const flags = flag === undefined ? '' : `, flags = { '${flag}' }`
    return `redis.register_function{ function_name = '${functionName(name as LibraryFunction)}', callback = in_history(${callback})${flags} }`
  })
  .join('\n')}
`
