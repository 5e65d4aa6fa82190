-- Looking for a free key of one candidate (`c`, see candidates.py) for a call. `ask`: {call, time, now, looks_left, soonest: the earliest
-- time at which anything may free up: {at, who, what}}.
-- include windows.lua
-- include scores.lua

-- How many keys are looked at in one call, and for each candidate at least.
local LOOKS = 8
local LEAST_LOOKS = 1
local DAY_MS = 86400000
local RECOVERING = 'it recovers from failures and takes few calls as yet'

local UNITS = {requests = 1, tokens = 2, input_tokens = 3, output_tokens = 4, units = 5, usd = 6}
local function amount_for(w, c)
  return c.amounts[UNITS[w.unit]]
end

-- Whether what is in the way of an amount until `free` is spent: what calls in flight have reserved may be free in a moment.
local function is_refused(free, now)
  return free > now + SOON_MS
end

local function note_earlier(first, at, who, what)
  if at < first.at then
    first.at, first.who, first.what = at, who, what
  end
end

-- Something is in the way of this candidate until then.
local function note_obstacle(ask, c, at, who, what)
  note_earlier(c.first, at, who, what)
  note_earlier(ask.soonest, at, who, what)
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
local function look_at_windows(ask, c, account)
  local now = ask.now
  local seen = {at = now, small_at = now, what = '', share = 0, fullest = {share = 0, what = ''}}
  for _, w in ipairs(c.windows) do
    if bind(w, account, ask.time) then
      local free, small_free, used = free_at(w, amount_for(w, c), now)
      local share = math.min((used + amount_for(w, c)) / w.cap, 1)
      seen.share = math.max(seen.share, share)
      if w.period_ms >= DAY_MS and share > seen.fullest.share then
        seen.fullest = {share = share, what = w.what}
      end
      seen.small_at = math.max(seen.small_at, small_free)
      if w.by_key and is_refused(free, now) then
        fixed.note_refused(w, amount_for(w, c), now)
      end
      if free > now then
        seen.at, seen.what = free, w.what
        break
      end
    end
  end
  return seen
end

-- Everything about one key: {group, daily_limit, learned, priority} and what look_at_windows tells; nil if it is not enrolled.
local function look_at(ask, c, key)
  local facts = redis.call('HMGET', ask.call.facts .. key, 'group', 'daily_limit', 'priority', 'learned', 'daily_budget')
  local group = facts[1]
  if not group then
    return nil
  end
  local look = {key = key, group = group, daily_limit = tonumber(facts[2]), priority = facts[3], learned = facts[4]}
  local health = ask.call.key_health .. key
  local holds = redis.call('MGET', ask.call.key_hold .. key, c.group_holds[1] .. group, c.group_holds[2] .. group, health)
  look.is_well = not holds[4]
  local held_until, reason = 0, ''
  if holds[1] or holds[2] or holds[3] then
    held_until, reason = hold_end({holds[1], holds[2], holds[3]})
  end
  if held_until <= ask.now then
    look.admission = admitted(health, holds[4])
    if not look.admission then
      held_until, reason = ask.now + SOON_MS, RECOVERING
    end
  end
  if held_until > ask.now then
    look.at, look.small_at, look.what = held_until, held_until, reason
    return look
  end
  look.daily_budget = tonumber(facts[5] or '')
  local memo = look.daily_budget and key or group .. '/' .. facts[2]
  if not c.seen[memo] then
    c.seen[memo] = look_at_windows(ask, c, look)
  end
  for name, value in pairs(c.seen[memo]) do
    look[name] = value
  end
  return look
end

-- Look at one page of a ready index: the free key, and whether it is of no use to look further. Keys that are not free go into
-- `moves` with the time at which they are for the smallest job; `c.first` is the first that is free for this one (`what` is '' if it
-- was not looked at, as somebody else is free sooner).
local function look_through(ask, c, page, moves)
  for i = 1, #page, 2 do
    local key, score = page[i], tonumber(page[i + 1])
    if score > ask.now and score >= ask.soonest.at then
      c.is_whole = false
      note_earlier(c.first, score, key, '')
      return nil, true
    end
    local look = look_at(ask, c, key)
    if not look then
      c.unenrolled = true
      return nil, true
    elseif look.at <= ask.now then
      return look, true
    end
    note_obstacle(ask, c, look.at, key, look.what)
    moves[#moves + 1] = math.min(math.max(look.small_at, ask.now), 9e15)
    moves[#moves + 1] = key
  end
  return nil, false
end

-- Walk the keys of one priority in the order of the ready index until one is free. Those that are not are moved to the time
-- at which they are for the smallest job (never later: a large job must not hide a key from small ones), and at least to
-- now: behind the others.
local function walk(ask, c, ready)
  local moves = {'ZADD', ready, 'XX'}
  local from, upto = 0, LEAST_LOOKS
  local found, done
  repeat
    local page = redis.call('ZRANGE', ready, from, upto - 1, 'WITHSCORES')
    found, done = look_through(ask, c, page, moves)
    ask.looks_left = ask.looks_left - #page / 2
    local cut_short = #page == 2 * (upto - from)
    from, upto = upto, upto + ask.looks_left
    if not done and cut_short and ask.looks_left <= 0 then
      c.is_whole = false
      note_obstacle(ask, c, math.max(tonumber(page[#page]), ask.now + SOON_MS), c.provider, 'more keys to look at')
    end
  until done or not cut_short or ask.looks_left <= 0
  if #moves > 3 then
    redis.call(unpack(moves))
  end
  return found
end
