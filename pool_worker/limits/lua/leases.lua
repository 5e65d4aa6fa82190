-- Ending a lease, once. For every script that ends one: settle.lua, expire.lua, and the completion's own finish script.
-- include performance.lua
-- include said.lua
-- include scores.lua
local SETTLED_KEEP_MS = 600000

-- End a lease. `ending`: {state: settled, refunded or expired; actual: what was really used (unit -> amount; usd in millionths),
-- nil: its estimate; sent_after_ms: how long after the acquire the request was sent; said: see said.lua, or nil; well: whose call
-- succeeded, see scores.lua, or nil; seen: {model, cell}, how its call counts in `performance` (see performance.lua), or nil}.
-- Returns 1, or 0 if there is no such open lease. One that is not known is over for good all the same: the command that asked for
-- it may come after the one that ends it, when a network let both wait.
local function settle_lease(lease_key, index, lease_id, ending, now, performance)
  redis.call('ZREM', index, lease_id)
  local fields = redis.call('HMGET', lease_key, 'state', 'reserved')
  if not fields[1] then
    redis.call('HSET', lease_key, 'state', ending.state)
    redis.call('PEXPIRE', lease_key, SETTLED_KEEP_MS)
  end
  if fields[1] ~= 'open' then
    return 0
  end
  local lease = cjson.decode(fields[2])
  local call = {now = now, lease_id = lease_id, acquired_ms = lease.acquired_ms, sent_after_ms = ending.sent_after_ms}
  local freed, freed_for_all = false, false
  for _, packed in ipairs(lease.notes) do
    local note = unpack_note(packed)
    local amount = ending.actual and ending.actual[note.unit] or note.amount
    kinds[note.kind].settle(note, amount, call)
    if ending.said then
      believe(lease, note, ending.said, call)
    end
    freed = freed or amount < note.amount
    freed_for_all = freed_for_all or (note.shared and amount < note.amount)
  end
  if ending.well then
    raise_scores(ending.well)
  end
  if ending.seen then
    note_call(performance, ending.seen.model, ending.seen.cell, now)
  end
  redis.call('HSET', lease_key, 'state', ending.state)
  redis.call('HDEL', lease_key, 'reserved')
  redis.call('PEXPIRE', lease_key, SETTLED_KEEP_MS)
  if freed then
    wake(lease, freed_for_all, now)
  end
  return 1
end
