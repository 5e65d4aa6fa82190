-- Purpose: keep a claimed message that cannot be worked on as a dead letter, with the reason. Its job, if it has one that goes
--          on, ends in the same step: outcome stored, row into the outbox, batch counted, caller woken. A job whose caller has cancelled it
--          ends as cancelled, and one that has ended is done with: their messages are not kept.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset) · 3 deliveries (hash task id -> count)
--       4 dead letters (zset id -> when, ms) · 5 the job's record (hash) · 6 its outcome (string, and the channel that tells of it)
--       7 outbox (stream)
-- ARGV: 1 tag · 2 prefix of dead letters · 3 id for the dead letter ("" = tag; the tag too when it is taken)
--       4 "1" = it takes the place of an earlier one of that id · 5 task id ("" = unreadable) · 6 task · 7 reason
--       8 job id · 9 the job's state, as its outcome was drawn up for ("" = there is no such job)
--       10 its final state · 11 outcome (JSON) · 12 its row for the outbox (JSON, "" = none) · 13 ttl_ms when it is not kept
--       14 now_ms
-- Returns: {"buried", id}; {"ended", ""} when nothing was to be kept; {"changed", ""} when the job is not in that state any
--          more, and {"lost", ""} when the message is no longer ours: nothing was done
-- include release.lua
-- include client/batch.lua
local tag, letter_id, task_id, job_id, expected, final = ARGV[1], ARGV[3], ARGV[5], ARGV[8], ARGV[9], ARGV[10]
if redis.call('HEXISTS', KEYS[1], tag) == 0 then return {'lost', ''} end
if (redis.call('HGET', KEYS[5], 'state') or '') ~= expected then return {'changed', ''} end

local list, message = release(KEYS[1], KEYS[2], tag)
local deliveries = redis.call('HGET', KEYS[3], task_id) or '1'
redis.call('HDEL', KEYS[3], task_id)
local goes_on = expected == 'queued' or expected == 'parked' or expected == 'running'
local has_ended = expected == 'succeeded' or expected == 'failed' or expected == 'cancelled'
local is_kept = not has_ended and final ~= 'cancelled'

if goes_on then
  redis.call('HSET', KEYS[5], 'state', final, 'finished_ms', ARGV[14])
  redis.call('HDEL', KEYS[5], 'due_ms', 'wait_reason')
  redis.call('SET', KEYS[6], ARGV[11])
  redis.call('PUBLISH', KEYS[6], ARGV[11])
  count_end(KEYS[5], final, ARGV[13])
  local idempotency = redis.call('HGET', KEYS[5], 'idempotency')
  if idempotency then redis.call('SET', idempotency, job_id, 'PX', ARGV[13]) end
  if not is_kept then
    redis.call('PEXPIRE', KEYS[5], ARGV[13])
    redis.call('PEXPIRE', KEYS[6], ARGV[13])
  end
end
if ARGV[12] ~= '' then redis.call('XADD', KEYS[7], '*', 'kind', 'job', 'id', job_id, 'data', ARGV[12]) end
if not is_kept then return {'ended', ''} end

if letter_id == '' or (ARGV[4] ~= '1' and redis.call('EXISTS', ARGV[2] .. letter_id) == 1) then letter_id = tag end
redis.call('ZADD', KEYS[4], ARGV[14], letter_id)
redis.call('HSET', ARGV[2] .. letter_id, 'list', list, 'message', message, 'reason', ARGV[7], 'task', ARGV[6],
  'task_id', task_id, 'job_id', goes_on and job_id or '', 'deliveries', deliveries)
return {'buried', letter_id}
