-- Purpose: begin work on a job: read its record and mark it as running, unless it has ended, its message is not ours, or another
--          message brought it to a worker that is still at it. One that runs already had a worker that left or was lost: it
--          is begun again, which is counted.
-- KEYS: 1 the job's record (hash) · 2 unacked (hash)
-- ARGV: 1 tag · 2 worker's name · 3 now_ms ("" = Redis's clock)
-- Returns: {state before, spec, trail ("" = none yet), cancel ("1" or ""), signature ("" = none)}; {"lost"} when the message is
--          no longer ours, or the job is somebody else's; {"unknown"} when there is no record
-- include clock.lua
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return {'lost'} end
local record = redis.call('HMGET', KEYS[1], 'state', 'spec', 'trail', 'cancel', 'started_ms', 'tag', 'signature')
local state = record[1]
if not state or not record[2] then return {'unknown'} end
if state == 'running' and record[6] and record[6] ~= ARGV[1] and redis.call('HEXISTS', KEYS[2], record[6]) == 1 then
  return {'lost'}
end
if state == 'running' and record[6] ~= ARGV[1] then redis.call('HINCRBY', KEYS[1], 'restarts', 1) end
if state == 'queued' or state == 'parked' or state == 'running' then
  redis.call('HSET', KEYS[1], 'state', 'running', 'worker', ARGV[2], 'tag', ARGV[1])
  redis.call('HDEL', KEYS[1], 'due_ms', 'wait_reason')
  if not record[5] then redis.call('HSET', KEYS[1], 'started_ms', clock_ms(ARGV[3])) end
end
return {state, record[2], record[3] or '', record[4] or '', record[7] or ''}
