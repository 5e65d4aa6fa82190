-- Purpose: cancel a job. One that waits ends here and now (its message is dropped when it is claimed, so a parked one is due at
--          once); one that runs is marked and its worker told; one that has ended stays as it is. A job whose worker has lost
--          it, or gave it back, waits again. A job that ends here is counted in its batch.
-- KEYS[1]  hash    pool:job:<id>            the job's record
-- KEYS[2]  string  celery-task-meta-<id>    its outcome, and the channel that tells of it
-- KEYS[3]  zset    pool:parked              job id -> when it is due, ms
-- KEYS[4]  zset    pool:parked:timers       job id -> when it is looked at, ms
-- KEYS[5]  hash    pool:unacked             claim tag -> what was claimed
-- KEYS[6]  string  pool:cancelled:<id>      the outcome, until it is renamed: a client may not write over one (docs/security.md)
-- ARGV     job_id, outcome (JSON, as Celery's backend writes it), result_ttl_ms, cancel_channel, now_ms
-- Returns  the state that is true now: cancelled, running, succeeded or failed; false if there is no such job
-- include batch.lua
local state, tag = unpack(redis.call('HMGET', KEYS[1], 'state', 'tag'))

if state == 'running' then
  redis.call('PUBLISH', ARGV[4], ARGV[1]) -- also to a worker that has lost it and does not know yet
  if redis.call('HEXISTS', KEYS[5], tag or '') == 1 then
    redis.call('HSET', KEYS[1], 'cancel', '1')
    return state
  end
end
if state ~= 'queued' and state ~= 'parked' and state ~= 'running' then
  return state
end

local now_ms = ARGV[5]
if now_ms == '' then
  local time = redis.call('TIME')
  now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end

redis.call('HSET', KEYS[1], 'state', 'cancelled', 'cancel', '1', 'finished_ms', now_ms)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local idempotency = redis.call('HGET', KEYS[1], 'idempotency')
if idempotency then redis.call('PEXPIRE', idempotency, ARGV[3]) end
if state == 'parked' then
  redis.call('ZADD', KEYS[3], 'XX', 'LT', now_ms, ARGV[1])
  redis.call('ZADD', KEYS[4], now_ms, ARGV[1])
end
redis.call('SET', KEYS[6], ARGV[2], 'PX', ARGV[3])
if redis.call('RENAMENX', KEYS[6], KEYS[2]) == 0 then redis.call('DEL', KEYS[6]) end
redis.call('PUBLISH', KEYS[2], ARGV[2])
count_end(KEYS[1], 'cancelled', ARGV[3])
return 'cancelled'
