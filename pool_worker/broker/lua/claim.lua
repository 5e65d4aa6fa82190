-- Purpose: claim up to `limit` messages, the most urgent first, in one step: taken from their list, recorded as unacknowledged
--          under a fresh tag with a lease, and their delivery counted. A worker that dies right after loses nothing.
--          A suspect, whose workers have died twice, goes to the end of its list if this worker has another in hand: when a worker
--          dies, at most one of them is to blame.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset tag -> lease end, ms) · 3 deliveries (hash task id -> count)
--       4… the lists to claim from, in order
-- ARGV: 1 lease_ms · 2 limit · 3 tag (the claims are tag..0001, tag..0002, …: they sort as they were taken)
--       4 "1": the worker has a suspect in hand · 5 now_ms ("" = Redis's clock)
-- Returns: {1 if messages are left else 0, tag, list, deliveries, message, tag, list, …}
-- include clock.lua
-- include push.lua
local limit = tonumber(ARGV[2])
local lease_end_ms = clock_ms(ARGV[5]) + tonumber(ARGV[1])

local SUSPECT = 2
local may_suspect = ARGV[4] ~= '1'
local LOOK_PAST = 100 -- suspects in one call: bounds how long it keeps Redis busy

local function task_id_of(message)
  local readable, envelope = pcall(cjson.decode, message)
  if not readable or type(envelope) ~= 'table' or type(envelope.headers) ~= 'table' then return nil end
  return type(envelope.headers.id) == 'string' and envelope.headers.id or nil
end

local function is_suspect(task_id)
  return task_id and tonumber(redis.call('HGET', KEYS[3], task_id) or 0) >= SUSPECT
end

local claimed = {0}
local taken, passed = 0, 0
for i = 4, #KEYS do
  local aside = {}
  while taken < limit and passed < LOOK_PAST do
    local message = redis.call('RPOP', KEYS[i])
    if not message then break end
    local task_id = task_id_of(message)
    local suspect = is_suspect(task_id)
    if suspect and not may_suspect then
      aside[#aside + 1] = message
      passed = passed + 1
    else
      if suspect then may_suspect = false end
      taken = taken + 1
      local tag = ARGV[3] .. string.format('%04d', taken)
      redis.call('HSET', KEYS[1], tag, KEYS[i] .. '\n' .. message)
      redis.call('ZADD', KEYS[2], lease_end_ms, tag)
      claimed[#claimed + 1] = tag
      claimed[#claimed + 1] = KEYS[i]
      claimed[#claimed + 1] = task_id and redis.call('HINCRBY', KEYS[3], task_id, 1) or 1
      claimed[#claimed + 1] = message
    end
  end
  local is_more = taken >= limit and redis.call('EXISTS', KEYS[i]) == 1
  for _, message in ipairs(aside) do redis.call('LPUSH', KEYS[i], message) end
  if is_more then
    claimed[1] = 1
    for left = i, #KEYS do -- another worker may have a free slot for what is left; who serves the later lists heard no bell
      if redis.call('EXISTS', KEYS[left]) == 1 then ring(KEYS[left]) end
    end
    break
  end
end
return claimed
