-- Purpose: end a lease with what was really used, and tell the books of its call; a call that was never made used nothing. Idempotent: a
--   lease ends once, and of rows with the same id the ledger keeps one.
-- KEYS[1] lease (hash)  KEYS[2] open leases (sorted set)  KEYS[3] performance (hash)  KEYS[4] outbox (stream)
--   The windows are named by the lease itself.
-- ARGV[1] lease_id  ARGV[2] JSON of how it ends (see leases.lua)  ARGV[3] now_ms or ''  ARGV[4..6] the call's row, or nothing: kind, id, data
-- Returns: 1, or 0 if there is no such open lease (the row counts all the same: it may know more than the one that ended it)
-- include leases.lua
if ARGV[4] then
  redis.call('XADD', KEYS[4], '*', 'kind', ARGV[4], 'id', ARGV[5], 'data', ARGV[6])
end
return settle_lease(KEYS[1], KEYS[2], ARGV[1], cjson.decode(ARGV[2]), (clock(ARGV[3])), KEYS[3])
