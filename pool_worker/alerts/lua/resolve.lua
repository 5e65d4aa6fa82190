-- Purpose: tell that what an alert was about is over; nothing if that alert was not told (or its time of being told has ended).
-- KEYS[1]  told    pool:alert:told:{cause}, string
-- KEYS[2]  outbox  pool:outbox, stream
-- ARGV[1…3] kind, id, data of the row
-- Returns: 1 if it is over now, 0 if there was nothing to end
if redis.call('DEL', KEYS[1]) == 0 then
  return 0
end
redis.call('XADD', KEYS[2], '*', 'kind', ARGV[1], 'id', ARGV[2], 'data', ARGV[3])
return 1
