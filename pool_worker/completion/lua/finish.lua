-- Purpose: end a job, once: its lease on a key is settled, its outcome stored, its message acknowledged, its rows put into the outbox,
--          its batch counted and its caller woken in one step. Whoever lost the message's lease meanwhile is turned away; only the
--          settlement and the attempts' rows are kept, for the call was made.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset) · 3 deliveries (hash) · 4 the job's record (hash)
--       5 its outcome (string, and the channel that tells of it) · 6 outbox (stream)
--       7 history of tokens (hash) · 8 lease (hash) · 9 open leases (zset) · 10 performance (hash); these only if there is a lease to settle
-- ARGV: 1 tag · 2 job_id · 3 final state · 4 outcome (JSON) · 5 ttl_ms · 6 trail (JSON) · 7 model id ("" = none)
--       8 now_ms ("" = Redis's clock) · 9 lease_id ("" = none) · 10 how the lease ends (JSON, see limits/leases.lua) · 11 task_id
--       12 tokens that were seen (JSON, see limits/token_history.lua)
--       13… rows for every attempt, then for the job: kind, id, data, kind, id, data, …
--       (rows of kind "job" only count when the job ends here)
-- Returns: 1, or 0 when the message was no longer ours or the job had ended already
-- include broker/clock.lua
-- include broker/release.lua
-- include limits/leases.lua
-- include limits/token_history.lua
-- include client/batch.lua
local now_ms = clock_ms(ARGV[8])
if ARGV[9] ~= '' then
  local was_open = settle_lease(KEYS[8], KEYS[9], ARGV[9], cjson.decode(ARGV[10]), now_ms, KEYS[10])
  if was_open == 1 then note_tokens(KEYS[7], cjson.decode(ARGV[12])) end
end
local ours = release(KEYS[1], KEYS[2], ARGV[1])
local state = redis.call('HGET', KEYS[4], 'state')
local ended = state == 'succeeded' or state == 'failed' or state == 'cancelled'
local ends_here = ours and not ended
for i = 13, #ARGV, 3 do
  if ends_here or ARGV[i] ~= 'job' then
    redis.call('XADD', KEYS[6], '*', 'kind', ARGV[i], 'id', ARGV[i + 1], 'data', ARGV[i + 2])
  end
end
if ours then redis.call('HDEL', KEYS[3], ARGV[11]) end
if not ends_here then return 0 end
redis.call('HSET', KEYS[4], 'state', ARGV[3], 'trail', ARGV[6], 'finished_ms', now_ms, 'model_id', ARGV[7])
redis.call('HDEL', KEYS[4], 'due_ms', 'wait_reason')
redis.call('PEXPIRE', KEYS[4], ARGV[5])
redis.call('SET', KEYS[5], ARGV[4], 'PX', ARGV[5])
redis.call('PUBLISH', KEYS[5], ARGV[4])
count_end(KEYS[4], ARGV[3], ARGV[5])
local idempotency = redis.call('HGET', KEYS[4], 'idempotency')
if idempotency then redis.call('SET', idempotency, ARGV[2], 'PX', ARGV[5]) end
return 1
