-- Purpose: prolong the leases of messages that are still being worked on.
-- KEYS: 1 unacked (hash) · 2 its index (zset tag -> lease end, ms)
-- ARGV: 1 lease_ms · 2 now_ms ("" = Redis's clock) · 3… tags
-- Returns: the tags whose messages are no longer ours: somebody else owns them now
-- include clock.lua
local lease_end_ms = clock_ms(ARGV[2]) + tonumber(ARGV[1])
local lost = {}
for i = 3, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    redis.call('ZADD', KEYS[2], lease_end_ms, ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
