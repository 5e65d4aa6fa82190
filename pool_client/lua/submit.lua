-- Purpose: accept one job, once: its record and its message appear together or not at all, and its batch is counted.
--          The same job id again changes nothing; so does an idempotency key that is already taken.
-- KEYS[1]  hash    pool:job:<id>            the job's record
-- KEYS[2]  list    <entry queue>[<sep><n>]  where its message goes (claimed from the right end)
-- KEYS[3]  list    pool:bell:<list>         that list's bell, rung for idle workers
-- KEYS[4]  string  pool:idempotency:<hash>  optional: id of the job that took this idempotency key
-- ARGV     job_id, spec (JSON of Job), message (envelope, pushed as it is), agent, queue, priority, idempotency_ttl_ms,
--          bell_ttl_ms, batch (its redis key, pool:batch:<id>; "" = none), signature ("" = none), now_ms
-- Returns  the id of the job that stands for this submission: job_id, or that of an earlier one

local job_id, spec, message = ARGV[1], ARGV[2], ARGV[3]

local takes_key = KEYS[4] and redis.call('SET', KEYS[4], job_id, 'NX')
if KEYS[4] and not takes_key then
  local earlier = redis.call('GET', KEYS[4])
  if earlier ~= job_id then
    return earlier
  end
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  if takes_key then
    redis.call('PEXPIRE', KEYS[4], ARGV[7])
  end
  return job_id
end

local now_ms = ARGV[11]
if now_ms == '' then
  local time = redis.call('TIME')
  now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end

redis.call('HSET', KEYS[1], 'spec', spec, 'agent', ARGV[4], 'state', 'queued', 'queue', ARGV[5], 'priority', ARGV[6],
  'submitted_ms', now_ms)
if ARGV[10] ~= '' then redis.call('HSET', KEYS[1], 'signature', ARGV[10]) end
if KEYS[4] then
  redis.call('HSET', KEYS[1], 'idempotency', KEYS[4]) -- it gets a TTL when the job ends, however long that takes
end
if ARGV[9] ~= '' then
  redis.call('HSET', KEYS[1], 'batch', ARGV[9])
  redis.call('HINCRBY', ARGV[9], 'jobs', 1)
  redis.call('PERSIST', ARGV[9])
end
redis.call('LPUSH', KEYS[2], message)
-- A bell that already rings, unheard, needs no second stroke.
if redis.call('PEXPIRE', KEYS[3], ARGV[8]) == 0 then
  redis.call('LPUSH', KEYS[3], 1)
  redis.call('PEXPIRE', KEYS[3], ARGV[8])
end
return job_id
