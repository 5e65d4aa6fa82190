-- Purpose: keep an answer; where there are more than may be, those go that were not used for longest. May be repeated.
-- KEYS[1] when each answer was last used (sorted set)  KEYS[2] the answer (string)  Those that go are named by the first.
-- ARGV[1] the answer (JSON)  ARGV[2] ttl_ms  ARGV[3] how many may be kept
-- Returns: how many went
local now = redis.call('TIME')[1]
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[1], now, KEYS[2])
redis.call('PEXPIRE', KEYS[1], 2 * ARGV[2])
-- What was not used for a lifetime has ended by itself.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now - math.ceil(ARGV[2] / 1000)))
local too_many = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
if too_many <= 0 then
  return 0
end
local gone = redis.call('ZPOPMIN', KEYS[1], too_many)
for i = 1, #gone, 2 do
  redis.call('DEL', gone[i])
end
return #gone / 2
