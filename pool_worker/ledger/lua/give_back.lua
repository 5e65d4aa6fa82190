-- Purpose: give entries back that could not be written: whoever takes a share next may have them, however soon that is.
-- KEYS[1]  outbox  pool:outbox, stream
-- ARGV[1]  group   the ledger's consumer group
-- ARGV[2…] entry id, entry id, …
-- Returns: number of entries that were still ours
local rest = {}
for i = 2, #ARGV do
  rest[#rest + 1] = ARGV[i]
end
rest[#rest + 1] = 'IDLE'
rest[#rest + 1] = 10000000000 -- as if they had been taken months ago
rest[#rest + 1] = 'JUSTID'
return #redis.call('XCLAIM', KEYS[1], ARGV[1], 'writer', 0, unpack(rest))
