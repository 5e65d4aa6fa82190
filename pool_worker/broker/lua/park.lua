-- Purpose: let a claimed job wait, durably, until a known time, in the lane of those that wait for the same capacity. If its lane
--          has let it go to find capacity, and there was none, the lane learns from it until when. One whose caller has cancelled it
--          meanwhile is due at once.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset) · 3 deliveries (hash) · 4 the job's record (hash)
--       5 parked (zset job id -> due, ms) · 6 parked messages (hash job id -> "list \n message") · 7 timers (zset job id -> ms)
--       8 lanes (zset) · 9 pace (hash) · 10 its lane (hash)
-- ARGV: 1 tag · 2 job_id · 3 due_ms: there is no capacity before ("" = it rests for delay_ms) · 4 delay_ms
--       5 deadline_ms: it comes back then at the latest ("" = none) · 6 lane · 7 why it waits · 8 trail (JSON)
--       9 task_id · 10 its agent's weight · 11 separator between a queue's name and a priority
--       12 the providers that its lane waits for, with blanks between · 13 now_ms ("" = Redis's clock)
-- Returns: 0 when the message was no longer ours: nothing was parked; 2 when it is looked at before all others; else 1
-- include clock.lua
-- include lanes.lua
-- include line.lua
-- include release.lua
local SKEW_MS = 250 -- a worker whose clock is behind does not see a deadline that has come: it parks the job once more

local list, message = release(KEYS[1], KEYS[2], ARGV[1])
if not list then return 0 end
local job_id, record, lane = ARGV[2], KEYS[4], ARGV[6]
local now_ms = clock_ms(ARGV[13])
local told_ms, deadline_ms = tonumber(ARGV[3]), tonumber(ARGV[5]) or NEVER
local cancelled, place_no, let_go_in, agent, turn_in =
  unpack(redis.call('HMGET', record, 'cancel', 'place_no', 'let_go_in', 'agent', 'turn_in'))
local due_ms = math.min(told_ms or now_ms + tonumber(ARGV[4]), deadline_ms, cancelled and now_ms or NEVER)

local function learn_in_vain()
  local shut_ms, handful = unpack(redis.call('HMGET', KEYS[10], 'shut_ms', 'handful'))
  shut_ms = ahead(shut_ms, now_ms, SHUT_AT_MOST_MS)
  shut_ms = math.min(told_ms, shut_ms > 0 and shut_ms or NEVER, now_ms + SHUT_AT_MOST_MS)
  redis.call('HSET', KEYS[10], 'shut_ms', whole(shut_ms))
  redis.call('HINCRBY', KEYS[10], 'in_vain', 1)
  if handful == '1' then -- it went alone, to ask
    local pause_ms = 2 * tonumber(redis.call('HGET', KEYS[9], 'pause_ms') or 0)
    pause_ms = math.min(math.max(pause_ms, FIRST_PAUSE_MS), LONGEST_PAUSE_MS)
    redis.call('HSET', KEYS[9], 'pause_ms', pause_ms, 'quiet_until_ms', whole(now_ms + pause_ms))
  end
end

redis.call('HDEL', KEYS[3], ARGV[9])
if not place_no then redis.call('HSET', record, 'place_no', redis.call('HINCRBY', KEYS[9], 'places', 1)) end
if turn_in ~= lane then
  local turn, stride = draw_turn(KEYS[10], priority_of(list, ARGV[11]), agent or '', ARGV[10])
  redis.call('HSET', record, 'turn_in', lane, 'turn', whole(turn), 'stride', stride)
end
redis.call('HSET', KEYS[10], 'providers', ARGV[12])
redis.call('PEXPIRE', KEYS[10], LANE_TTL_MS)
if told_ms and let_go_in == lane then learn_in_vain() end
redis.call('HDEL', record, 'let_go_in')
redis.call('HSET', record, 'state', 'parked', 'due_ms', whole(due_ms), 'wait_reason', ARGV[7], 'trail', ARGV[8], 'lane', lane,
  'deadline_ms', ARGV[5])
redis.call('ZADD', KEYS[5], due_ms, job_id)
redis.call('HSET', KEYS[6], job_id, list .. '\n' .. message)

redis.call('ZADD', KEYS[7], deadline_ms <= now_ms and not cancelled and now_ms + SKEW_MS or due_ms, job_id)
return redis.call('ZRANGE', KEYS[7], 0, 0)[1] == job_id and 2 or 1
