-- Purpose: reserve one call on the first candidate, in route order, that is free: all of its windows, its budgets and a
--   slot in flight, or nothing at all. Idempotent by lease id.
-- KEYS[1] lease (hash)  KEYS[2] open leases (sorted set)
-- KEYS[3..] four for each candidate: pool:ready:* (string), pool:hold:* of its provider and of its model, pool:ready:*:nobody (strings)
--   The others are named by the script, which picks them: pool:ready:*:* (sorted sets), pool:key:* (hash), pool:hold:* (string), pool:in_flight:* (sorted set),
--   pool:window:* (by kind), pool:budget:*:* (string). One Redis node, or one slot.
-- ARGV[1] JSON of the call: {lease_id, job_id, ttl_ms, keep_ms, guard_ms, amounts: [[n by unit, see UNITS] by candidate],
--   served: [whether, by candidate], budgets: [window], calendars: {name: [[start, end], ..]}, facts, key_hold (prefixes),
--   line: {due, record, lane, priority} (see broker/line.lua), or nil: it asks whoever else waits}
-- ARGV[2..n-1] JSON of one candidate each (see candidates.py)  ARGV[n] now_ms or ''
-- Returns: {'lease', model id, key id, group, acquired ms, deadline ms, job id, how full in percent the fullest window of a day or
--     longer is with this job, which one it is}
--   {'elsewhere', index of the candidate from 0, key id} · {'exhausted', ms or '', who, what, [indexes too large]}
--   {'line', now_ms}: others wait for the same, and come first · {'unenrolled', provider} · {'clock', now_ms}: the calendars do not contain now · {'ended', state}: the lease is over
-- include windows.lua
-- include nobody.lua
-- include broker/line.lua

-- How many keys are looked at in one call, and for each candidate at least.
local LOOKS = 12
local LEAST_LOOKS = 1
local DAY_MS = 86400000
-- An unused key counts as not used for so much longer than a wholly used one: the least used come first, then the least recently used.
local SPREAD_MS = 60000

local now, fraction = clock(ARGV[#ARGV])
local call = cjson.decode(ARGV[1])

local known = redis.call('HMGET', KEYS[1], 'state', 'model_id', 'key_id', 'group', 'acquired_ms', 'deadline_ms', 'job_id')
if known[1] == 'open' then
  return {'lease', known[2], known[3], known[4], tonumber(known[5]), tonumber(known[6]), known[7], 0, ''}
elseif known[1] then
  return {'ended', known[1]}
end
if call.line and must_join(call.line.due, call.line.record, call.line.lane, call.line.priority) then
  return {'line', now}
end
local time = {now = now, guard_ms = call.guard_ms, calendars = call.calendars}
if not calendars_hold(time) then
  return {'clock', now}
end

-- The earliest time at which anything may free up, and why not before.
local soonest = {at = NEVER, who = '', what = ''}
local function note_earlier(first, at, who, what)
  if at < first.at then
    first.at, first.who, first.what = at, who, what
  end
end
local function blocked(at, who, what)
  note_earlier(soonest, at, who, what)
end

local UNITS = {requests = 1, tokens = 2, input_tokens = 3, output_tokens = 4, units = 5, usd = 6}
local function amount_for(w, c)
  return c.amounts[UNITS[w.unit]]
end

-- Until when a scope is held, and the reason; 0 if it is not.
local function hold_end(values)
  local latest, reason = 0, ''
  for _, value in ipairs(values) do
    local until_ms, why = string.match(value or '', '^(%d+) (.*)$')
    if until_ms and tonumber(until_ms) > latest then
      latest, reason = tonumber(until_ms), why
    end
  end
  return latest, reason
end

-- Look at the windows of an account: `at`, when this job fits them all, or the first that is in the way (`what`); `small_at`, the same
-- for the smallest job; `share`, how full (0 to 1) the fullest is with this job; `fullest`, the fullest of those of a day or longer.
local function look_at_windows(c, account)
  local seen = {at = now, small_at = now, what = '', share = 0, fullest = {share = 0, what = ''}}
  for _, w in ipairs(c.windows) do
    if bind(w, account, time) then
      local free, small_free, used = free_at(w, amount_for(w, c), now)
      local share = math.min((used + amount_for(w, c)) / w.cap, 1)
      seen.share = math.max(seen.share, share)
      if w.period_ms >= DAY_MS and share > seen.fullest.share then
        seen.fullest = {share = share, what = w.what}
      end
      seen.small_at = math.max(seen.small_at, small_free)
      if free > now then
        seen.at, seen.what = free, w.what
        break
      end
    end
  end
  return seen
end

-- Everything about one key: {group, daily_limit, learned, priority} and what look_at_windows tells; nil if it is not enrolled.
local function look_at(c, key)
  local facts = redis.call('HMGET', call.facts .. key, 'group', 'daily_limit', 'priority', 'learned')
  local group = facts[1]
  if not group then
    return nil
  end
  local look = {key = key, group = group, daily_limit = tonumber(facts[2]), priority = facts[3], learned = facts[4]}
  local held_until, reason =
    hold_end(redis.call('MGET', call.key_hold .. key, c.group_holds[1] .. group, c.group_holds[2] .. group))
  if held_until > now then
    look.at, look.small_at, look.what = held_until, held_until, reason
    return look
  end
  local memo = group .. '/' .. facts[2]
  if not c.seen[memo] then
    c.seen[memo] = look_at_windows(c, look)
  end
  for name, value in pairs(c.seen[memo]) do
    look[name] = value
  end
  if look.at <= now and redis.call('ZCOUNT', c.in_flight .. group, '(' .. whole(now), '+inf') >= c.concurrency then
    look.at, look.what = now + SOON_MS, c.concurrency .. ' calls in flight'
  end
  return look
end

-- Look at one page of a ready index: the free key, and whether it is of no use to look further. Keys that are not free go into
-- `moves` with the time at which they are for the smallest job; `c.first` is the first that is free for this one.
local function look_through(c, page, moves)
  for i = 1, #page, 2 do
    local key, score = page[i], tonumber(page[i + 1])
    if score > now and score >= soonest.at then
      c.is_whole = false
      return nil, true
    end
    local look = look_at(c, key)
    if not look then
      c.unenrolled = true
      return nil, true
    elseif look.at <= now then
      return look, true
    end
    note_earlier(c.first, look.at, key, look.what)
    blocked(look.at, key, look.what)
    moves[#moves + 1] = math.min(math.max(look.small_at, now), 9e15)
    moves[#moves + 1] = key
  end
  return nil, false
end

local looks_left = LOOKS

-- Walk the keys of one priority in the order of the ready index until one is free. Those that are not are moved to the time
-- at which they are for the smallest job (never later: a large job must not hide a key from small ones), and at least to
-- now: behind the others.
local function walk(c, ready)
  local moves = {'ZADD', ready, 'XX'}
  local from, upto = 0, LEAST_LOOKS
  local found, done
  repeat
    local page = redis.call('ZRANGE', ready, from, upto - 1, 'WITHSCORES')
    found, done = look_through(c, page, moves)
    looks_left = looks_left - #page / 2
    local cut_short = #page == 2 * (upto - from)
    from, upto = upto, upto + looks_left
    if not done and cut_short and looks_left <= 0 then
      c.is_whole = false
      blocked(math.max(tonumber(page[#page]), now + SOON_MS), c.provider, 'more keys to look at')
    end
  until done or not cut_short or looks_left <= 0
  if #moves > 3 then
    redis.call(unpack(moves))
  end
  return found
end

local function budgets_free(c)
  local at, who, what = now, '', ''
  for _, w in ipairs(c.cost > 0 and call.budgets or {}) do
    bind(w, {group = ''}, {now = now, guard_ms = 0, calendars = call.calendars})
    w.periods = {w.periods[now < w.periods[1][2] and 1 or 2]}
    local free = free_at(w, c.cost, now)
    if free > at then
      at, who, what = free, w.scope, w.what
    end
  end
  if at > now then
    blocked(at, who, what)
    c.too_large = at == NEVER
  end
  return at <= now
end

local function too_large(c)
  for _, w in ipairs(c.windows) do
    if w.limit and not w.own and math.max(amount_for(w, c), 1) > w.limit * grains_of(w.unit) then
      return true
    end
  end
  return false
end

-- A free key of the candidate, of the best priority that has one; or nil, with an answer that ends the call.
local function find(c, priorities, provider_hold, model_hold, nobody)
  if not priorities then
    return nil, {'unenrolled', c.provider}
  end
  c.too_large = too_large(c)
  if c.too_large then
    return nil
  end
  local held_until, reason = hold_end({provider_hold, model_hold})
  if held_until > now then
    blocked(held_until, c.model_id, reason)
    return nil
  end
  if not budgets_free(c) then
    return nil
  end
  local nobody_at, who, what = nobody_until(nobody, c.amounts, now)
  if nobody_at then
    blocked(nobody_at, who, what)
    return nil
  end
  for priority in string.gmatch(priorities, '%S+') do
    local look = walk(c, c.ready .. ':' .. priority)
    if c.unenrolled then
      return nil, {'unenrolled', c.provider}
    elseif look then
      return look
    end
  end
  if c.is_whole then
    c.too_large = c.first.at == NEVER and next(c.seen) ~= nil
    note_nobody(c.ready, c.amounts, c.first.at, c.first.who, c.first.what, now)
  end
  return nil
end

local function reserve_window(notes, w, amount)
  local note = kinds[w.kind].reserve(w, amount, now, call.lease_id)
  notes[#notes + 1] = pack_note(w, amount, note)
end

local function reserve(c, look)
  local notes = {}
  for _, w in ipairs(c.windows) do
    if bind(w, look, time) then
      reserve_window(notes, w, amount_for(w, c))
    end
  end
  for _, w in ipairs(c.cost > 0 and call.budgets or {}) do
    reserve_window(notes, w, c.cost)
  end
  local deadline = now + call.ttl_ms
  local in_flight = c.in_flight .. look.group
  redis.call('ZADD', in_flight, deadline, call.lease_id)
  redis.call('PEXPIRE', in_flight, call.keep_ms)
  redis.call('ZADD', c.ready .. ':' .. look.priority, 'XX', now + fraction - (1 - look.share) * SPREAD_MS, look.key)
  redis.call('ZADD', KEYS[2], deadline, call.lease_id)
  local reserved = cjson.encode({
    notes = notes, acquired_ms = now, model = c.model, ready = c.ready_prefix, models = c.models,
    group_keys = c.group_keys .. look.group, facts = call.facts,
  })
  redis.call(
    'HSET', KEYS[1], 'state', 'open', 'model_id', c.model_id, 'key_id', look.key, 'group', look.group, 'job_id', call.job_id,
    'acquired_ms', now, 'deadline_ms', deadline, 'in_flight', in_flight, 'reserved', reserved
  )
  redis.call('PEXPIRE', KEYS[1], call.ttl_ms + call.keep_ms)
  local percent = math.floor(100 * look.fullest.share)
  return {'lease', c.model_id, look.key, look.group, now, deadline, call.job_id, percent, look.fullest.what}
end

local facts = #KEYS > 2 and redis.call('MGET', unpack(KEYS, 3)) or {}
local never_fits = {}
for i = 2, #ARGV - 1 do
  local c = cjson.decode(ARGV[i])
  c.amounts = call.amounts[i - 1]
  c.cost = c.amounts[UNITS.usd]
  c.seen, c.first, c.is_whole = {}, {at = NEVER}, true
  local look, answer = find(c, unpack(facts, 4 * i - 7, 4 * i - 4))
  if answer then
    return answer
  elseif look and call.served[i - 1] then
    return reserve(c, look)
  elseif look then
    return {'elsewhere', i - 2, look.key}
  elseif c.too_large then
    never_fits[#never_fits + 1] = i - 2
  end
end
return {'exhausted', soonest.at < NEVER and soonest.at or '', soonest.who, soonest.what, never_fits}
