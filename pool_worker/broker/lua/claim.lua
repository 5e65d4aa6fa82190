-- Purpose: claim up to `limit` messages, the most urgent first, in one step: taken from their list, recorded as unacknowledged
--          under a fresh tag with a lease, and their delivery counted. A worker that dies right after loses nothing.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset tag -> lease end, ms) · 3 deliveries (hash task id -> count)
--       4… the lists to claim from, in order
-- ARGV: 1 lease_ms · 2 limit · 3 tag (the claims are tag..1, tag..2, …) · 4 now_ms ("" = Redis's clock)
-- Returns: {1 if messages are left else 0, tag, list, deliveries, message, tag, list, …}
-- include clock.lua
-- include push.lua
local limit = tonumber(ARGV[2])
local lease_end_ms = clock_ms(ARGV[4]) + tonumber(ARGV[1])

local function count_delivery(message)
  local readable, envelope = pcall(cjson.decode, message)
  if not readable or type(envelope) ~= 'table' or type(envelope.headers) ~= 'table' then return 1 end
  if type(envelope.headers.id) ~= 'string' then return 1 end
  return redis.call('HINCRBY', KEYS[3], envelope.headers.id, 1)
end

local claimed = {0}
local taken = 0
for i = 4, #KEYS do
  while taken < limit do
    local message = redis.call('RPOP', KEYS[i])
    if not message then break end
    taken = taken + 1
    local tag = ARGV[3] .. taken
    redis.call('HSET', KEYS[1], tag, KEYS[i] .. '\n' .. message)
    redis.call('ZADD', KEYS[2], lease_end_ms, tag)
    claimed[#claimed + 1] = tag
    claimed[#claimed + 1] = KEYS[i]
    claimed[#claimed + 1] = count_delivery(message)
    claimed[#claimed + 1] = message
  end
  if taken >= limit and redis.call('EXISTS', KEYS[i]) == 1 then
    claimed[1] = 1
    ring(KEYS[i]) -- another worker may have a free slot for what is left
    break
  end
end
return claimed
