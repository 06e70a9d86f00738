/**
 * The part of the library that changes one row without being asked for it first: `change` reads, judges and writes in one step. It works on
 * the texts in a row's JSON and reads none but those that an index needs, for JSON in Lua loses digits. Whatever it can't decide alone
 * (another row in the way, rows that refer to this one, a value that it can't encode) it leaves to the caller: `again`.
 */
export const changeSource = String.raw`
-- The elements of a JSON array of plain values, as they are written.
local function elements(text, from)
  local out, at = {}, from + 1
  while true do
    local stop
    if string.byte(text, at) == 34 then
      stop = string.find(text, '["\\]', at + 1)
      while stop and string.byte(text, stop) == 92 do stop = string.find(text, '["\\]', stop + 2) end
    else
      stop = string.find(text, '[,%]]', at)
      stop = stop and stop - 1
    end
    if not stop then return nil end
    out[#out + 1] = string.sub(text, at, stop)
    if string.byte(text, stop + 1) ~= 44 then return out end
    at = stop + 2
  end
end

-- As encodeKey (values/encoding.ts) does; nil for what is too long or too large for it.
local function encoded(json, kind)
  if json == 'null' then return '0' end
  if kind == 'b' then return json == 'true' and 'b1' or 'b0' end
  if kind == 't' then
    if string.find(json, '\\', 1, true) then return 't' .. cjson.decode('[' .. json .. ']')[1] .. '\0' end
    return 't' .. string.sub(json, 2, -2) .. '\0'
  end
  local value = tonumber(json)
  if not value then return nil end
  return string.format('n%08x%08x', math.floor(value / 4294967296) + 2147483648, value % 4294967296)
end

-- The columns of an index and the whole entry, and whether a column is null; nil for what can't be made here.
local function entry(row, columns, key)
  local text, has_null = '', false
  for i = 1, #columns, 2 do
    local json = row[columns[i]]
    local part = json and encoded(json, columns[i + 1])
    if not part then return nil end
    has_null = has_null or json == 'null'
    text = text .. part
  end
  local member = text .. key .. string.format('%04x', #key)
  if #member > 4096 then return nil end
  return { columns = text, member = member, has_null = has_null }
end

local function taken(key, columns)
  return #redis.call('ZRANGE', key, '[' .. columns, '(' .. columns .. '\127', 'BYLEX', 'LIMIT', '0', '1') > 0
end

-- ARGV: commit id, how long to remember it (ms), schema version, table, row key, whether the row is wanted, then operations: I place
-- json: the row has this value; S place json: it gets this one; D: it is deleted; N table index: no entry may begin with the row's key;
-- X index unique count (place kind)...: an index to keep right. Answers the number of the commit, '' when there is no such row, and the
-- row as it is now, or was: it is remembered with the outcome for who asks once more.
local function change(keys, argv)
  local base, ibase, rbase, tv, cat = names(keys)
  local outcome_key = base .. ':c:' .. argv[1]
  local before = redis.call('GET', outcome_key)
  if before == 'refused' then return { 'refused' } end
  if before then return { 'ok', string.sub(before, 1, 16), before } end
  local schema = redis.call('HGET', cat, 'version') or '0'
  if argv[3] ~= schema then return { 'schema', schema } end
  local table_id, key = argv[4], argv[5]
  local row_at = rbase .. table_id .. ':' .. key
  local text = redis.call('GET', row_at)
  if not text then return { 'ok', '' } end
  local old = elements(text, 17)
  if not old then return { 'again' } end
  local row, deleted, gone, added, at = {}, false, {}, {}, 7
  for i = 1, #old do row[i] = old[i] end
  while at <= #argv do
    local op = argv[at]
    if op == 'I' then
      local now = old[tonumber(argv[at + 1])]
      if not now then return { 'again' } end
      if now ~= argv[at + 2] then return { 'ok', '' } end
      at = at + 3
    elseif op == 'S' then
      local place = tonumber(argv[at + 1])
      if not row[place] then return { 'again' } end
      row[place] = argv[at + 2]
      at = at + 3
    elseif op == 'D' then
      deleted = true
      at = at + 1
    elseif op == 'N' then
      if taken(ibase .. argv[at + 1] .. ':' .. argv[at + 2], key) then return { 'again' } end
      at = at + 3
    else
      local index, columns, count = ibase .. table_id .. ':' .. argv[at + 1], {}, tonumber(argv[at + 3])
      for i = 1, count, 2 do
        columns[i] = tonumber(argv[at + 3 + i])
        columns[i + 1] = argv[at + 4 + i]
      end
      local was, is = entry(old, columns, key), nil
      if not was then return { 'again' } end
      if not deleted then
        is = entry(row, columns, key)
        if not is then return { 'again' } end
        if argv[at + 2] == '1' and is.columns ~= was.columns and not is.has_null and taken(index, is.columns) then return { 'again' } end
      end
      if not is or is.member ~= was.member then
        gone[#gone + 1] = { index, was.member }
        if is then added[#added + 1] = { index, is.member } end
      end
      at = at + 4 + count
    end
  end
  local number = string.format('%016.0f', redis.call('INCR', keys[1]))
  local stored = deleted and text or number .. '[' .. table.concat(row, ',') .. ']'
  redis.call('SET', outcome_key, argv[6] == '1' and number .. string.sub(stored, 17) or number, 'PX', argv[2])
  if deleted then
    redis.call('DEL', row_at)
    redis.call('ZREM', ibase .. table_id .. ':0', key)
  else
    redis.call('SET', row_at, stored)
  end
  redis.call('HSET', tv, table_id, number)
  for i = 1, #gone do redis.call('ZREM', gone[i][1], gone[i][2]) end
  for i = 1, #added do redis.call('ZADD', added[i][1], '0', added[i][2]) end
  return { 'ok', number, stored }
end
`
