-- Purpose: give the messages of dead workers back: every message whose lease has ended returns to the head of its list.
--          After a gap between sweeps (Redis was away or held up, or no worker was there) leases have ended that nobody could
--          renew: then nothing is given back, and whoever is alive gets the time to renew.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset tag -> lease end, ms) · 3 time of the last sweep (string, ms)
-- ARGV: 1 limit · 2 lease_ms · 3 now_ms ("" = Redis's clock)
-- Returns: how many were given back
-- include clock.lua
-- include push.lua
-- include release.lua
local now_ms, lease_ms = clock_ms(ARGV[3]), tonumber(ARGV[2])
local last_ms = tonumber(redis.call('GET', KEYS[3]) or 0)
redis.call('SET', KEYS[3], now_ms, 'PX', lease_ms)
if now_ms - last_ms > lease_ms / 2 then
  for _, tag in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now_ms)) do -- all: the next sweep spares none
    redis.call('ZADD', KEYS[2], 'XX', now_ms + math.ceil(lease_ms / 3), tag)
  end
  return 0
end
local tags = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now_ms, 'LIMIT', 0, tonumber(ARGV[1]))
for i = #tags, 1, -1 do -- the oldest last, so that it is claimed first
  local list, message = release(KEYS[1], KEYS[2], tags[i])
  if list then push_first(list, message) end
end
return #tags
