-- Purpose: end a lease with what was really used; a call that was never made used nothing. Idempotent: a lease ends once.
-- KEYS[1] lease (hash)  KEYS[2] open leases (sorted set)  The windows are named by the lease itself.
-- ARGV[1] lease_id  ARGV[2] JSON of the actual amounts {unit: n} (usd: micro-USD)
-- ARGV[3] sent_after_ms: how long after the acquire the request was sent  ARGV[4] state: settled or refunded
-- ARGV[5] now_ms or ''
-- Returns: 1, or 0 if there is no such open lease
-- include leases.lua
return settle_lease(KEYS[1], KEYS[2], ARGV[1], cjson.decode(ARGV[2]), tonumber(ARGV[3]), clock(ARGV[5]), ARGV[4])
