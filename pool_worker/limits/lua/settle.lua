-- Purpose: end a lease with what was really used; a call that was never made used nothing. Idempotent: a lease ends once.
-- KEYS[1] lease (hash)  KEYS[2] open leases (sorted set)  KEYS[3] performance (hash)  The windows are named by the lease itself.
-- ARGV[1] lease_id  ARGV[2] JSON of how it ends (see leases.lua)  ARGV[3] now_ms or ''
-- Returns: 1, or 0 if there is no such open lease
-- include leases.lua
return settle_lease(KEYS[1], KEYS[2], ARGV[1], cjson.decode(ARGV[2]), (clock(ARGV[3])), KEYS[3])
