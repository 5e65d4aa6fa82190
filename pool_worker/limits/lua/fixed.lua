-- Windows of kind `fixed`: at most `cap` in each calendar period.
--
-- Redis keys: strings "name:start of the period", the amount counted in it; "name:pending", reserved by calls in flight (late
-- windows only); of budgets "name:start of the period:refused", the least that was asked for when less was left. Lua knows no
-- time zones: the caller sends the periods {start, end} that this call can touch, and the script picks by its own clock.
--
-- The provider counts a request when it arrives, 0 to guard_ms after our acquire: within guard_ms of the period's end that
-- may be in either period, so it must fit, and is counted, in both.
--
-- A `late` window is charged when the call ends, in whatever period that is: pending counts against every period. At the
-- settlement the period of the acquire and that of the end are both charged, as nobody saw which the provider took.
local fixed = {}

local function counter_of(w, period)
  return w.name .. ':' .. whole(period[1])
end

local function pending_of(w)
  return w.name .. ':pending'
end

local function amount_in(name)
  return tonumber(redis.call('GET', name) or 0)
end

-- A period's counter needs its TTL once: it is kept for two periods. What is pending has no end of its own.
local function add(name, amount, keep_ms, renew)
  if amount > 0 and (redis.call('INCRBY', name, amount) == amount or renew) then
    redis.call('PEXPIRE', name, keep_ms)
  end
end

-- A counter that is gone (Redis was emptied) must not go below zero: that would be capacity nobody has.
local function change(name, by)
  if by ~= 0 and redis.call('EXISTS', name) == 1 then
    redis.call('INCRBY', name, math.max(by, -amount_in(name)))
  end
end

-- The index of the period that `time` is in; the last one if it is later than all.
local function period_at(periods, time)
  for i, period in ipairs(periods) do
    if time < period[2] then
      return i
    end
  end
  return #periods
end

local function in_both(w, period, now)
  return not w.late and now + w.guard_ms >= period[2]
end

-- What is counted in both periods leaves no less room in the second than in the first: looking at the first is enough.
function fixed.free_at(w, amount, now)
  local period = w.periods[period_at(w.periods, now)]
  local spare = w.cap - amount_in(counter_of(w, period))
  local pending = w.late and amount_in(pending_of(w)) or 0
  local function freed_at(wanted)
    if wanted > spare then
      return period[2]
    end
    return wanted > spare - pending and now + SOON_MS or now
  end
  return freed_at(amount), freed_at(1), w.cap - spare + pending
end

function fixed.reserve(w, amount, now)
  local i = period_at(w.periods, now)
  local note = {periods = {unpack(w.periods, i)}}
  if w.late then
    add(pending_of(w), amount, w.keep_ms, true)
    return note
  end
  add(counter_of(w, w.periods[i]), amount, w.keep_ms)
  if in_both(w, w.periods[i], now) and w.periods[i + 1] then
    add(counter_of(w, w.periods[i + 1]), amount, w.keep_ms)
    note.both = true
  end
  return note
end

function fixed.settle(note, actual, call)
  local first, second = note.periods[1], note.periods[2]
  if note.late then
    change(pending_of(note), -note.amount)
    add(counter_of(note, first), actual, note.keep_ms)
    local last = note.periods[period_at(note.periods, call.now)]
    if last[1] ~= first[1] then
      add(counter_of(note, last), actual, note.keep_ms)
    end
    return
  end
  change(counter_of(note, first), actual - note.amount)
  if note.both then
    change(counter_of(note, second), actual - note.amount)
  elseif second and call.acquired_ms + call.sent_after_ms + note.guard_ms >= first[2] then
    add(counter_of(note, second), actual, note.keep_ms)
  end
end

-- A budget had less left of this period than this, whatever comes back of what is reserved. What is more than all of it is the
-- job's matter, which is told by its error.
function fixed.note_refused(w, amount, now)
  local name = counter_of(w, w.periods[period_at(w.periods, now)]) .. ':refused'
  if amount <= w.cap and amount < tonumber(redis.call('GET', name) or NEVER) then
    redis.call('SET', name, whole(amount), 'PX', w.keep_ms)
  end
end

function fixed.used(w, now)
  local used = amount_in(counter_of(w, w.periods[period_at(w.periods, now)]))
  return w.late and used + amount_in(pending_of(w)) or used
end

function fixed.resets_at(w, now)
  return w.periods[period_at(w.periods, now)][2]
end

-- What was said around the end of a period may be of either.
function fixed.count_at_least(note, used, call)
  local period = note.periods[1]
  if call.now < period[2] then
    local pending = note.late and amount_in(pending_of(note)) or 0
    add(counter_of(note, period), used - amount_in(counter_of(note, period)) - DOUBT * pending, note.keep_ms)
  end
end
