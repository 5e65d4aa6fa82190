-- Purpose: give the messages of dead workers back: every message whose lease has ended returns to the head of its list.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset tag -> lease end, ms)
-- ARGV: 1 limit · 2 now_ms ("" = Redis's clock)
-- Returns: how many were given back
-- include clock.lua
-- include push.lua
-- include release.lua
local tags = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', clock_ms(ARGV[2]), 'LIMIT', 0, tonumber(ARGV[1]))
for i = #tags, 1, -1 do -- the oldest last, so that it is claimed first
  local list, message = release(KEYS[1], KEYS[2], tags[i])
  if list then push_first(list, message) end
end
return #tags
