-- Purpose: the causes of which people know and that are not over; those that are told no more are taken out.
-- KEYS[1]  open    pool:alerts:open, sorted set
-- ARGV[1]  prefix  of the redis keys pool:alert:told:{cause}
-- Returns: list of cause, when it was told (ms), cause, when, …
local told = {}
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #all, 2 do
  if redis.call('EXISTS', ARGV[1] .. all[i]) == 1 then
    told[#told + 1] = all[i]
    told[#told + 1] = all[i + 1]
  else
    redis.call('ZREM', KEYS[1], all[i])
  end
end
return told
