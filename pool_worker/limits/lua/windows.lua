-- The window kinds, each with the same functions (times in ms; `w` is a bound window):
--   free_at(w, amount, now)            now if the amount fits, else the earliest time at which it may; the same for 1; what is used
--   reserve(w, amount, now, lease)     count it; returns what the kind itself must remember for the settlement. `lease`: {id, deadline_ms}
--   settle(note, actual, call)         replace the reserved amount by the actual one
--   used(w, now), resets_at(w, now)    read only: the amount counted now, and when it will be 0 again
--   count_at_least(note, used, call)   the provider said that so much was used at some time since the request was sent
-- (`concurrent` has no period and no header: it needs neither resets_at nor count_at_least.)
-- `w.read` is what a kind has read of the window for `free_at` and need not read again for `reserve`.
--
-- A window: {kind, prefix, unit, limit, period_ms, keep_ms, late, own, shared, calendar, what}, the flags only where they hold. `limit`
-- is missing where only a key's own daily limit counts; `own`: that limit overrides; `shared`: all models of the provider share it;
-- `by_key`: it is the daily budget of a key, and counts for that key alone.
-- include clock.lua

-- What was reserved for calls in flight is an estimate: they may take up to so many times that, without anybody else using the account.
local DOUBT = 2

-- include sliding.lua
-- include refill.lua
-- include fixed.lua
-- include concurrent.lua
local kinds = {sliding = sliding, refill = refill, fixed = fixed, concurrent = concurrent}

-- Limits are in whole units, amounts in thousandths of a provider's own units: a call takes a few of them, and a fraction.
local function grains_of(unit)
  return unit == 'units' and 1000 or 1
end

-- A limit that a provider did not repeat for so long is asked for anew.
local LEARNED_FOR_MS = 86400000

-- Make the window that of one account; false if it limits nothing there.
-- `account`: {key, group, daily_limit or nil, daily_budget or nil, learned: JSON (see said.lua) or nil or false}; `time`: {now, guard_ms, calendars}
local function bind(w, account, time)
  w.limit_in_force = w.own and account.daily_limit or w.by_key and account.daily_budget or w.limit
  local name = w.prefix .. (w.by_key and account.key or account.group)
  if w.name ~= name then
    w.name, w.read = name, nil
  end
  local lower = account.learned and cjson.decode(account.learned)[name]
  w.is_learned = lower and w.limit_in_force and lower[1] < w.limit_in_force and time.now < lower[2] + LEARNED_FOR_MS
  if w.is_learned then
    w.limit_in_force, w.learned_until = lower[1], lower[2] + LEARNED_FOR_MS
  end
  w.cap = w.limit_in_force and w.limit_in_force * grains_of(w.unit)
  w.guard_ms = time.guard_ms
  w.periods = w.calendar and time.calendars[w.calendar]
  return w.cap ~= nil
end

-- Whether the periods that the caller's clock chose contain Redis's now, with the guard.
local function calendars_hold(time)
  for _, periods in pairs(time.calendars) do
    if time.now < periods[1][1] or time.now + time.guard_ms >= periods[#periods][2] then
      return false
    end
  end
  return true
end

-- What a lease remembers of a window, as an array: written with every lease, so kept small.
local function pack_note(w, amount, extra)
  return {
    w.kind, w.name, w.unit, amount, w.cap, w.period_ms, w.late or false, w.shared or false, w.guard_ms, w.keep_ms,
    extra.periods or false, extra.both or false, w.is_learned or false, extra.counted or false,
    extra.ever or false,
  }
end

local function unpack_note(packed)
  return {
    kind = packed[1], name = packed[2], unit = packed[3], amount = packed[4], cap = packed[5], period_ms = packed[6],
    late = packed[7], shared = packed[8], guard_ms = packed[9], keep_ms = packed[10], periods = packed[11], both = packed[12],
    is_learned = packed[13], counted = packed[14], ever = packed[15],
  }
end

-- Every charge is looked at as at least 1: a spent window admits nothing, not even what we believe to cost nothing.
local function free_at(w, amount, now)
  amount = math.max(amount, 1)
  if w.cap < 1 then
    return NEVER, NEVER, 0
  end
  local at, small_at, used = kinds[w.kind].free_at(w, amount, now)
  if w.is_learned then
    at, small_at = math.min(at, w.learned_until), math.min(small_at, w.learned_until)
  end
  return amount > w.cap and NEVER or at, small_at, used
end
