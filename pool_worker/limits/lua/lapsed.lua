-- Purpose: tell of leases whose deadline has passed, the earliest first. Changes nothing.
-- KEYS[1] open leases (sorted set)  The leases (hashes) are named by the script.
-- ARGV[1] lease_prefix  ARGV[2] limit  ARGV[3] now_ms or ''
-- Returns: for each: lease id, job id, model id, key id, acquired ms, in one flat array ('' = it has no hash any more)
-- include clock.lua
local lapsed = {}
for _, lease_id in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', clock(ARGV[3]), 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  local facts = redis.call('HMGET', ARGV[1] .. lease_id, 'job_id', 'model_id', 'key_id', 'acquired_ms')
  lapsed[#lapsed + 1] = lease_id
  for i = 1, 4 do
    lapsed[#lapsed + 1] = facts[i] or ''
  end
end
return lapsed
