-- Purpose: take entries off the outbox once their rows are committed; rejected ones are kept aside, byte for byte, with the reason.
-- KEYS[1]  outbox    pool:outbox, stream
-- KEYS[2]  rejected  pool:outbox:rejected, stream
-- ARGV[1]  group     the ledger's consumer group
-- ARGV[2]  keep      rejected entries that are kept, about
-- ARGV[3…] entry id, reason ('' if its row was committed), entry id, reason, …
-- Returns: number of entries that were still ours
local outbox, rejected, group, keep = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local settled = 0
for i = 3, #ARGV, 2 do
  local id, reason = ARGV[i], ARGV[i + 1]
  if redis.call('XACK', outbox, group, id) == 1 then
    settled = settled + 1
    local entry = redis.call('XRANGE', outbox, id, id)[1]
    if entry and reason ~= '' then
      redis.call('XADD', rejected, 'MAXLEN', '~', keep, '*', 'reason', reason, 'entry', id, unpack(entry[2]))
    end
    redis.call('XDEL', outbox, id)
  end
end
return settled
