-- Purpose: let parked jobs go back to the heads of their queues as their time comes and as capacity returns. Each lane lets go a
--          handful at a time, and looks what became of it before the next: it grows when all found capacity; else it halves, and
--          is one when the lane is shut for longer. Whose deadline has come, or who is cancelled, needs no capacity and goes at once.
-- KEYS: 1 parked (zset job id -> due, ms) · 2 parked messages (hash job id -> "list \n message") · 3 timers (zset job id -> ms)
--       4 lanes (zset lane -> its next turn, ms) · 5 pace (hash)
--       The others are named by the script: the jobs' records, the lanes (hashes), who is due in them (zsets).
-- ARGV: 1 worker · 2 prefix of the records · 3 prefix of the lanes · 4 prefix of who is due in them
--       5 separator between a queue's name and a priority · 6 now_ms ("" = Redis's clock)
-- Returns: {how many were let go, ms until this worker is to ask again}
-- include clock.lua
-- include lanes.lua
-- include line.lua
-- include push.lua
local MOST_AT_ONCE = 64  -- a lane's handful
local GROWTH = 1.5
local MOST_A_CALL = 100  -- timers, lanes, and jobs let go: bounds how long Redis is kept busy
local PATIENCE_MS = 2000 -- for a handful that nobody takes: what is more urgent keeps the workers busy, or one has died
local SHUT_LONG_MS = 250 -- less, and capacity comes in a stream
local TURNS_MS = 16384   -- longer than lanes take turns; a score's fraction tells 4 ms apart then
local OVERDUE_MS = 1000
local SOON_MS, LATER_MS, LONGEST_MS, LATE_MS = 10, 100, 1000, 50

local parked, messages, timers, lanes, pace = unpack(KEYS)
local worker, records, facts_of, due_of, separator = unpack(ARGV)
local now_ms = clock_ms(ARGV[6])
local released = 0

local function seat(place_no, job_id)
  return string.format('%016.0f:', place_no) .. job_id
end

-- Put a parked job's message back to the head of its queue.
local function let_go(job_id, lane)
  local entry = redis.call('HGET', messages, job_id)
  redis.call('HDEL', messages, job_id)
  redis.call('ZREM', parked, job_id)
  redis.call('ZREM', timers, job_id)
  if not entry then return end
  local at = string.find(entry, '\n', 1, true)
  push_first(string.sub(entry, 1, at - 1), string.sub(entry, at + 1))
  released = released + 1
  local record = records .. job_id
  if redis.call('HGET', record, 'state') == 'parked' then
    redis.call('HSET', record, 'state', 'queued', 'let_go_in', lane)
    redis.call('HDEL', record, 'due_ms', 'wait_reason')
  end
end

-- A job's time has come: to stand in its lane, or to go.
local function strike(job_id)
  redis.call('ZREM', timers, job_id)
  local entry = redis.call('HGET', messages, job_id)
  if not entry then return end
  local known = redis.call(
    'HMGET', records .. job_id, 'state', 'cancel', 'deadline_ms', 'lane', 'turn', 'place_no', 'agent', 'stride'
  )
  local state, cancelled, deadline_ms, lane, number, place_no, agent, stride = unpack(known)
  local priority = priority_of(string.sub(entry, 1, string.find(entry, '\n', 1, true) - 1), separator)
  deadline_ms = tonumber(deadline_ms or '') or NEVER
  if state ~= 'parked' or cancelled or deadline_ms <= now_ms then
    if lane then redis.call('ZREM', due_of .. lane, seat(place_no, job_id)) end
    if lane and stride then
      give_turn_back(facts_of .. lane, priority, agent or '', stride)
      redis.call('HDEL', records .. job_id, 'turn_in', 'turn', 'stride')
    end
    return let_go(job_id, '')
  end
  if deadline_ms < NEVER then redis.call('ZADD', timers, deadline_ms, job_id) end
  redis.call('ZADD', due_of .. lane, score_of(priority, number or 0), seat(place_no, job_id))
  redis.call('ZADD', lanes, 'NX', now_ms, lane)
end

-- How many to let go after a handful: more when all found capacity, fewer when some did not, one when the lane is shut.
local function next_size(size, in_vain, ids, waiting, shut_ms)
  if 2 * in_vain > #ids and shut_ms > now_ms + SHUT_LONG_MS then return 1 end
  if in_vain + waiting > 0 then return math.max(1, math.floor(size / 2)) end
  redis.call('HDEL', pace, 'pause_ms', 'quiet_until_ms')
  return math.min(GROWTH * size, MOST_AT_ONCE)
end

-- What became of a lane's last handful: how many to let go next, and not before when; or nil, and when to look again.
local function judge(facts)
  local size, out, since_ms, in_vain, shut_ms = unpack(redis.call('HMGET', facts, 'handful', 'out', 'since_ms', 'in_vain', 'shut_ms'))
  size, in_vain, shut_ms = tonumber(size or 1), tonumber(in_vain or 0), ahead(shut_ms, now_ms, SHUT_AT_MOST_MS)
  if (out or '') == '' then return size, shut_ms end
  local ids, waiting, waited_ms = {}, 0, now_ms - since_ms
  for job_id in string.gmatch(out, '%S+') do
    ids[#ids + 1] = job_id
    if redis.call('HGET', records .. job_id, 'state') == 'queued' then waiting = waiting + 1 end
  end
  if waiting > 0 and waited_ms >= 0 and waited_ms < PATIENCE_MS then
    return nil, now_ms + math.min(math.max(math.ceil(waited_ms / 2), SOON_MS), LATER_MS)
  end
  size = next_size(size, in_vain, ids, waiting, shut_ms)
  if 2 * in_vain <= #ids then shut_ms = 0 end
  redis.call('HSET', facts, 'handful', size, 'out', '', 'shut_ms', whole(shut_ms))
  return size, shut_ms
end

-- Have a lane let some of its jobs go. Returns when it may again; nil when nobody is due in it.
local function let_some_go(lane)
  local facts, due = facts_of .. lane, due_of .. lane
  local size, not_before_ms = judge(facts)
  if not size or not_before_ms > now_ms then return not_before_ms end
  local seats = redis.call('ZRANGE', due, 0, math.floor(size) - 1, 'WITHSCORES')
  if #seats == 0 then return nil end
  if size == 1 then
    local quiet_until_ms = ahead(redis.call('HGET', pace, 'quiet_until_ms'), now_ms, LONGEST_PAUSE_MS)
    if quiet_until_ms > 0 then return quiet_until_ms end
    redis.call('HSET', pace, 'quiet_until_ms', whole(now_ms + 2 * SOON_MS))
  end
  local ids = {}
  for i = #seats - 1, 1, -2 do
    redis.call('ZREM', due, seats[i])
    serve(facts, tonumber(seats[i + 1]))
    ids[#ids + 1] = string.match(seats[i], ':(.*)$')
    let_go(ids[#ids], lane)
  end
  redis.call('HSET', facts, 'handful', size, 'out', table.concat(ids, ' '), 'since_ms', whole(now_ms))
  redis.call('HDEL', facts, 'in_vain', 'shut_ms')
  redis.call('PEXPIRE', facts, LANE_TTL_MS)
  return now_ms + SOON_MS
end

-- When the first of a sorted set is to be looked at.
local function first_score(name)
  return tonumber(redis.call('ZRANGE', name, 0, 0, 'WITHSCORES')[2] or NEVER)
end

-- One worker at a time lets go; the others look whether it is back when it said.
local mover, mover_until_ms = unpack(redis.call('HMGET', pace, 'mover', 'mover_until_ms'))
mover_until_ms = ahead(mover_until_ms, now_ms, LONGEST_MS)
if mover and mover ~= worker and mover_until_ms > 0 then return {0, mover_until_ms - now_ms} end

for _, job_id in ipairs(redis.call('ZRANGEBYSCORE', timers, '-inf', now_ms, 'LIMIT', 0, MOST_A_CALL)) do
  strike(job_id)
end
for _, lane in ipairs(redis.call('ZRANGEBYSCORE', lanes, now_ms + 2 * SHUT_AT_MOST_MS, '+inf', 'LIMIT', 0, MOST_A_CALL)) do
  redis.call('ZADD', lanes, now_ms, lane) -- Redis's clock has gone back
end
-- The lane with the most urgent job lets go first; but before it those that could not for long, as it may wait for other models.
local due_lanes, urgency, order = {}, {}, {}
local scored = redis.call('ZRANGEBYSCORE', lanes, '-inf', now_ms, 'WITHSCORES', 'LIMIT', 0, MOST_A_CALL)
for i = 1, #scored, 2 do
  local lane, is_overdue = scored[i], tonumber(scored[i + 1]) < now_ms - OVERDUE_MS
  due_lanes[#due_lanes + 1] = lane
  urgency[lane], order[lane] = is_overdue and -1 or most_urgent(due_of .. lane) or NEVER, i
end
table.sort(due_lanes, function(a, b)
  if urgency[a] ~= urgency[b] then return urgency[a] < urgency[b] end
  return order[a] < order[b]
end)
for _, lane in ipairs(due_lanes) do
  if released >= MOST_A_CALL then break end
  local next_ms = let_some_go(lane)
  if next_ms then
    local since_ms = tonumber(redis.call('HGET', facts_of .. lane, 'since_ms') or 0)
    -- Of lanes with the same time, the one that let go longer ago is first.
    redis.call('ZADD', lanes, next_ms - 0.9 + 0.8 * (since_ms % TURNS_MS) / TURNS_MS, lane)
  else
    redis.call('ZREM', lanes, lane)
  end
end

local next_ms = math.min(first_score(timers), first_score(lanes))
local wait_ms = next_ms > now_ms and math.min(math.ceil(next_ms - now_ms), LONGEST_MS) or SOON_MS
if wait_ms <= LATER_MS then
  redis.call('HSET', pace, 'mover', worker, 'mover_until_ms', whole(now_ms + wait_ms + LATE_MS))
elseif mover then
  redis.call('HDEL', pace, 'mover', 'mover_until_ms')
end
return {released, wait_ms}
