-- Purpose: tell that what an alert was about is over; nothing if that alert was not told (or its time of being told has ended).
-- KEYS[1]  told    pool:alert:told:{cause}, string
-- KEYS[2]  outbox  pool:outbox, stream
-- KEYS[3]  due     pool:alerts:due, stream
-- KEYS[4]  open    pool:alerts:open, sorted set
-- ARGV[1]  cause
-- ARGV[2]  keep    entries of `due` that are kept, about
-- ARGV[3]  'quiet': it is not told again before its time of being told has ended; or ''
-- ARGV[4…6] kind, id, data of the row
-- Returns: 1 if it is over now, 0 if there was nothing to end
local OVER = 'over'
local begun = redis.call('GET', KEYS[1])
if not begun or begun == OVER then
  return 0
end
if ARGV[3] == 'quiet' then
  redis.call('SET', KEYS[1], OVER, 'KEEPTTL')
else
  redis.call('DEL', KEYS[1])
end
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('XADD', KEYS[2], '*', 'kind', ARGV[4], 'id', ARGV[5], 'data', ARGV[6])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'kind', ARGV[4], 'id', ARGV[5], 'data', ARGV[6], 'begun', begun)
return 1
