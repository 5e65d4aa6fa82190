-- Purpose: let a claimed job wait, durably, until a known time.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset) · 3 deliveries (hash) · 4 the job's record (hash)
--       5 parked (zset job id -> due, ms) · 6 parked messages (hash job id -> "list \n message")
-- ARGV: 1 tag · 2 job_id · 3 due_ms · 4 why it waits · 5 trail (JSON)
-- Returns: 1, or 0 when the message was no longer ours: nothing was parked
-- include release.lua
local list, message = release(KEYS[1], KEYS[2], ARGV[1])
if not list then return 0 end
redis.call('HDEL', KEYS[3], ARGV[2])
redis.call('HSET', KEYS[4], 'state', 'parked', 'due_ms', ARGV[3], 'wait_reason', ARGV[4], 'trail', ARGV[5])
redis.call('ZADD', KEYS[5], ARGV[3], ARGV[2])
redis.call('HSET', KEYS[6], ARGV[2], list .. '\n' .. message)
return 1
