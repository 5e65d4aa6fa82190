-- Purpose: tell that what an alert was about is over; nothing if that alert was not told (or its time of being told has ended).
-- KEYS[1]  told    pool:alert:told:{cause}, string
-- KEYS[2]  outbox  pool:outbox, stream
-- ARGV[1…3] kind, id, data of the row  ARGV[4] 'quiet': it is not told again before its time of being told has ended; or ''
-- Returns: 1 if it is over now, 0 if there was nothing to end
local TOLD, OVER = '1', 'over' -- tell.lua writes the first
if redis.call('GET', KEYS[1]) ~= TOLD then
  return 0
end
if ARGV[4] == 'quiet' then
  redis.call('SET', KEYS[1], OVER, 'KEEPTTL')
else
  redis.call('DEL', KEYS[1])
end
redis.call('XADD', KEYS[2], '*', 'kind', ARGV[1], 'id', ARGV[2], 'data', ARGV[3])
return 1
