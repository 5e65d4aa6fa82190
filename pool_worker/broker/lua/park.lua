-- Purpose: let a claimed job wait, durably, until a known time; one whose caller has cancelled it meanwhile is due at once.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset) · 3 deliveries (hash) · 4 the job's record (hash)
--       5 parked (zset job id -> due, ms) · 6 parked messages (hash job id -> "list \n message")
-- ARGV: 1 tag · 2 job_id · 3 due_ms ("" = after delay_ms) · 4 delay_ms · 5 why it waits · 6 trail (JSON) · 7 now_ms ("" = Redis's clock)
-- Returns: 1, or 0 when the message was no longer ours: nothing was parked
-- include clock.lua
-- include release.lua
local list, message = release(KEYS[1], KEYS[2], ARGV[1])
if not list then return 0 end
redis.call('HDEL', KEYS[3], ARGV[2])
local now_ms = clock_ms(ARGV[7])
local due_ms = tonumber(ARGV[3]) or now_ms + tonumber(ARGV[4])
if redis.call('HGET', KEYS[4], 'cancel') then due_ms = math.min(due_ms, now_ms) end
redis.call('HSET', KEYS[4], 'state', 'parked', 'due_ms', due_ms, 'wait_reason', ARGV[5], 'trail', ARGV[6])
redis.call('ZADD', KEYS[5], due_ms, ARGV[2])
redis.call('HSET', KEYS[6], ARGV[2], list .. '\n' .. message)
return 1
