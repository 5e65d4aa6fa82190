-- Purpose: forget a dead letter for good; the record and the outcome of its job go as those of any job that has ended.
-- KEYS: 1 dead letters (zset id -> when, ms) · 2 the dead letter (hash) · 3 the job's record (hash) · 4 its outcome (string)
-- ARGV: 1 id · 2 ttl_ms of what a job leaves
-- Returns: 1, or 0 if there is no such dead letter
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
if redis.call('HGET', KEYS[2], 'job_id') ~= '' and redis.call('HGET', KEYS[3], 'state') == 'failed' then
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
  redis.call('PEXPIRE', KEYS[4], ARGV[2])
end
redis.call('DEL', KEYS[2])
return 1
