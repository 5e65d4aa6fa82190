-- Purpose: end leases whose deadline has passed at their estimate (the call may have been made): slots come back, what was
--   reserved stays counted.
-- KEYS[1] open leases (sorted set)  The leases (hashes) are named by the script.
-- ARGV[1] lease_prefix  ARGV[2] limit  ARGV[3] now_ms or ''
-- Returns: for each lease ended: lease id, job id, key id, in one flat array
-- include leases.lua
local now = clock(ARGV[3])
local ended = {}
for _, lease_id in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  local lease_key = ARGV[1] .. lease_id
  local about = redis.call('HMGET', lease_key, 'job_id', 'key_id')
  if settle_lease(lease_key, KEYS[1], lease_id, nil, 0, now, 'expired') == 1 then
    ended[#ended + 1] = lease_id
    ended[#ended + 1] = about[1]
    ended[#ended + 1] = about[2]
  end
end
return ended
