-- Purpose: take a share of the outbox: first what a writer took and never settled, then what is new. Creates the group.
-- KEYS[1]  outbox  pool:outbox, stream
-- ARGV[1]  group   the ledger's consumer group
-- ARGV[2]  limit   entries to take at most
-- ARGV[3]  takeover_ms  entries taken longer ago than this are taken over
-- Returns: list of {entry id, {field, value, …}}
local outbox, group, limit, takeover_ms = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
-- All writers are one consumer: idleness alone tells who died, and no list of dead names piles up.
local consumer = 'writer'

local made = redis.pcall('XGROUP', 'CREATE', outbox, group, '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end

local taken = redis.call('XAUTOCLAIM', outbox, group, consumer, takeover_ms, '0', 'COUNT', limit)[2]
if #taken < limit then
  local fresh = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', limit - #taken, 'STREAMS', outbox, '>')
  if fresh then
    for _, entry in ipairs(fresh[1][2]) do
      taken[#taken + 1] = entry
    end
  end
end
return taken
