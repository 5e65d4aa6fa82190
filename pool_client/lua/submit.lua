-- Purpose: accept one job, once: its record and its message appear together or not at all.
--          The same job id again changes nothing; so does an idempotency key that is already taken.
-- KEYS[1]  hash    pool:job:<id>            the job's record
-- KEYS[2]  list    <entry queue>[<sep><n>]  where its message goes (claimed from the right end)
-- KEYS[3]  string  pool:idempotency:<hash>  optional: id of the job that took this idempotency key
-- ARGV     job_id, spec (JSON of Job), message (envelope, pushed as it is), agent, queue, priority, idempotency_ttl_ms, now_ms
-- Returns  the id of the job that stands for this submission: job_id, or that of an earlier one

local job_id, spec, message = ARGV[1], ARGV[2], ARGV[3]

if KEYS[3] and not redis.call('SET', KEYS[3], job_id, 'NX', 'PX', ARGV[7]) then
  local earlier = redis.call('GET', KEYS[3])
  if earlier ~= job_id then
    return earlier
  end
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  return job_id
end

local now_ms = ARGV[8]
if now_ms == '' then
  local time = redis.call('TIME')
  now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end

redis.call('HSET', KEYS[1], 'spec', spec, 'agent', ARGV[4], 'state', 'queued', 'queue', ARGV[5], 'priority', ARGV[6],
  'submitted_ms', now_ms)
redis.call('LPUSH', KEYS[2], message)
-- Idle workers wait at the list's bell, not at the list.
local bell = 'pool:bell:' .. KEYS[2]
redis.call('LPUSH', bell, 1)
redis.call('LTRIM', bell, 0, 0)
redis.call('PEXPIRE', bell, 60000)
return job_id
