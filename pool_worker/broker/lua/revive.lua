-- Purpose: give a dead letter another chance: its message returns to the tail of its queue as if it had never been delivered,
--          and its job waits again, no longer counted in its batch as failed. A job that is not as the dead letter left it is not touched.
-- KEYS: 1 dead letters (zset id -> when, ms) · 2 the dead letter (hash) · 3 deliveries (hash task id -> count)
--       4 the job's record (hash) · 5 its outcome (string)
-- ARGV: 1 id · 2 queue of the message's list
-- Returns: "revived"; "unknown" if there is no such dead letter; else the state of its job ("forgotten" = no record), which
--          forbids it: nothing was done
-- include push.lua
-- include client/batch.lua
local letter = redis.call('HMGET', KEYS[2], 'list', 'message', 'task_id', 'job_id')
local list, message, task_id, job_id = letter[1], letter[2], letter[3], letter[4]
if not list then return 'unknown' end
if job_id ~= '' then
  local state = redis.call('HGET', KEYS[4], 'state') or 'forgotten'
  if state ~= 'failed' then return state end
  redis.call('HSET', KEYS[4], 'state', 'queued', 'queue', ARGV[2])
  redis.call('HDEL', KEYS[4], 'finished_ms', 'worker', 'tag', 'let_go_in')
  redis.call('DEL', KEYS[5])
  uncount_failure(KEYS[4])
  local idempotency = redis.call('HGET', KEYS[4], 'idempotency')
  if idempotency then
    redis.call('SET', idempotency, job_id, 'NX')
    if redis.call('GET', idempotency) == job_id then redis.call('PERSIST', idempotency) end
  end
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
redis.call('HDEL', KEYS[3], task_id)
push_last(list, message)
return 'revived'
