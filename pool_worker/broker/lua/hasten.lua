-- Purpose: have the parked jobs that a provider may answer looked at now, a page of them at a time: it can be called sooner than was
--          known when they were parked. Idempotent; a job that is there from the first page to the last is not missed.
-- KEYS: 1 parked (zset job id -> due, ms) · 2 timers (zset job id -> ms) · 3 lanes (zset lane -> its next turn, ms)
--       The others are named by the script: the jobs' records, the lanes (hashes).
-- ARGV: 1 provider · 2 cursor ("0" at first) · 3 prefix of the records · 4 prefix of the lanes · 5 now_ms ("" = Redis's clock)
-- Returns: {the next cursor, "0" after the last page; how many are looked at now that were not due yet}
-- include clock.lua
-- include lanes.lua
local PAGE = 500

local parked, timers, lanes = unpack(KEYS)
local provider, cursor, records, facts_of = unpack(ARGV)
local now_ms = clock_ms(ARGV[5])
local hastened = 0

local waits_for_it = {}
local function lane_waits(lane)
  if waits_for_it[lane] == nil then
    local providers = redis.call('HGET', facts_of .. lane, 'providers') or ''
    waits_for_it[lane] = string.find(' ' .. providers .. ' ', ' ' .. provider .. ' ', 1, true) ~= nil
    if waits_for_it[lane] then
      redis.call('HDEL', facts_of .. lane, 'shut_ms')
      redis.call('ZADD', lanes, 'XX', 'LT', now_ms, lane)
    end
  end
  return waits_for_it[lane]
end

local page = redis.call('ZSCAN', timers, cursor, 'COUNT', PAGE)
local found = page[2]
for i = 1, #found, 2 do
  local job_id, record = found[i], records .. found[i]
  if lane_waits(redis.call('HGET', record, 'lane') or '') and tonumber(found[i + 1]) > now_ms then
    redis.call('ZADD', timers, 'XX', 'LT', now_ms, job_id)
    redis.call('ZADD', parked, 'XX', 'LT', now_ms, job_id)
    redis.call('HSET', record, 'due_ms', whole(now_ms))
    hastened = hastened + 1
  end
end
return {page[1], hastened}
