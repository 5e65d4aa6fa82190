-- Purpose: tell an alert once per cause: the first call within the time puts its row into the outbox, the others do nothing.
-- KEYS[1]  told    pool:alert:told:{cause}, string
-- KEYS[2]  outbox  pool:outbox, stream
-- ARGV[1]  ttl_ms  how long this cause stays told
-- ARGV[2…4] kind, id, data of the row
-- Returns: 1 if it was told now, 0 if it had been
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then
  return 0
end
redis.call('XADD', KEYS[2], '*', 'kind', ARGV[2], 'id', ARGV[3], 'data', ARGV[4])
return 1
