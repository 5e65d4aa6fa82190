-- The window kinds, each with the same functions (times in ms; `w` is a bound window):
--   free_at(w, amount, now)            now if the amount fits, else the earliest time at which it may
--   reserve(w, amount, now, lease_id)  count it; returns what the kind itself must remember for the settlement, or nil
--   settle(note, actual, call)         replace the reserved amount by the actual one
--   used(w, now), resets_at(w, now)    read only: the amount counted now, and when it will be 0 again
--   raise(w, amount, now)              count more, as the provider says it is
--
-- A window: {kind, prefix, unit, limit, per, period_ms, keep_ms, late, own, shared, calendar, what}. `limit` is missing
-- where only a key's own daily limit counts; `own`: that limit overrides; `shared`: all models of the provider share it.
-- include clock.lua
-- include sliding.lua
-- include refill.lua
-- include fixed.lua
local kinds = {sliding = sliding, refill = refill, fixed = fixed}

-- Make the window that of one quota group; false if it limits nothing there.
local function bind(w, group, daily_limit, guard_ms, calendars)
  w.cap = w.own and daily_limit or w.limit
  w.name = w.prefix .. group
  w.guard_ms = guard_ms
  w.periods = w.calendar and calendars[w.calendar]
  return w.cap ~= nil
end

-- Whether the periods that the caller's clock chose contain Redis's now, with the guard.
local function calendars_hold(calendars, now, guard_ms)
  for _, periods in pairs(calendars) do
    if now < periods[1][1] or now + guard_ms >= periods[#periods][2] then
      return false
    end
  end
  return true
end

-- Every charge is looked at as at least 1: a spent window admits nothing, not even what we believe to cost nothing.
local function free_at(w, amount, now)
  amount = math.max(amount, 1)
  if amount > w.cap then
    return NEVER
  end
  return kinds[w.kind].free_at(w, amount, now)
end
