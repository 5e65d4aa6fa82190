-- The batch of a job that ends, or goes on after all: pool:batch:<id> (hash: jobs, succeeded, failed, cancelled), named by the field
-- `batch` of the job's record. It has no TTL while jobs are open, then ttl_ms; once it is gone nothing is counted any more.
local function batch_of(record)
  local batch = redis.call('HGET', record, 'batch')
  if batch and redis.call('EXISTS', batch) == 0 then
    redis.call('HDEL', record, 'batch') -- nor in a later batch of the same name
    return nil
  end
  return batch
end

local function count_end(record, state, ttl_ms)
  local batch = batch_of(record)
  if not batch then return end
  redis.call('HINCRBY', batch, state, 1)
  local jobs, succeeded, failed, cancelled = unpack(redis.call('HMGET', batch, 'jobs', 'succeeded', 'failed', 'cancelled'))
  local ended = (succeeded or 0) + (failed or 0) + (cancelled or 0)
  if ended >= tonumber(jobs or 0) then redis.call('PEXPIRE', batch, ttl_ms) end
end

local function uncount_failure(record)
  local batch = batch_of(record)
  if not batch then return end
  redis.call('HINCRBY', batch, 'failed', -1)
  redis.call('PERSIST', batch)
end
