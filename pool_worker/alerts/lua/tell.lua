-- Purpose: tell an alert once per cause: the first call within the time puts its row into the outbox and among those to be sent.
-- KEYS[1]  told    pool:alert:told:{cause}, string
-- KEYS[2]  outbox  pool:outbox, stream
-- KEYS[3]  due     pool:alerts:due, stream
-- KEYS[4]  open    pool:alerts:open, sorted set
-- ARGV[1]  cause
-- ARGV[2]  severity
-- ARGV[3]  ttl_ms  how long this cause stays told
-- ARGV[4]  at_ms   when it was noticed
-- ARGV[5]  keep    entries of `due` that are kept, about
-- ARGV[6…8] kind, id, data of the row
-- Returns: 1 if it was told now, 0 if it had been
if not redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then
  return 0
end
redis.call('XADD', KEYS[2], '*', 'kind', ARGV[6], 'id', ARGV[7], 'data', ARGV[8])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'kind', ARGV[6], 'id', ARGV[7], 'data', ARGV[8], 'begun', ARGV[2])
redis.call('ZADD', KEYS[4], ARGV[4], ARGV[1])
return 1
