-- Counts a job that has just ended in its batch, if it has one. The batch is kept for as long as results are once all have ended.
local function count_end(record, state, ttl_ms)
  local batch = redis.call('HGET', record, 'batch')
  if not batch then return end
  redis.call('HINCRBY', batch, state, 1)
  local jobs, succeeded, failed, cancelled = unpack(redis.call('HMGET', batch, 'jobs', 'succeeded', 'failed', 'cancelled'))
  local ended = (succeeded or 0) + (failed or 0) + (cancelled or 0)
  if ended >= tonumber(jobs or 0) then redis.call('PEXPIRE', batch, ttl_ms) end
end

-- A job that had failed goes on.
local function uncount_failure(record)
  local batch = redis.call('HGET', record, 'batch')
  if not batch then return end
  redis.call('HINCRBY', batch, 'failed', -1)
  redis.call('PERSIST', batch)
end
