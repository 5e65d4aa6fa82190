-- Purpose: end leases whose deadline has passed at their estimate (the call may have been made): slots come back, what was
--   reserved stays counted, and the books are told.
-- KEYS[1] open leases (sorted set)  KEYS[2] outbox (stream)  The leases (hashes) are named by the script.
-- ARGV[1] lease_prefix  ARGV[2] now_ms or ''  ARGV[3..] for each lease: its id, and its row: kind ('' = none), id, data
-- Returns: the ids of the leases that ended here
-- include leases.lua
local now = clock(ARGV[2])
local ended = {}
for i = 3, #ARGV, 4 do
  local lease_id = ARGV[i]
  if settle_lease(ARGV[1] .. lease_id, KEYS[1], lease_id, {state = 'expired', sent_after_ms = 0}, now) == 1 then
    ended[#ended + 1] = lease_id
    if ARGV[i + 1] ~= '' then
      redis.call('XADD', KEYS[2], '*', 'kind', ARGV[i + 1], 'id', ARGV[i + 2], 'data', ARGV[i + 3])
    end
  end
end
return ended
