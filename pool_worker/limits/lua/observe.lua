-- Purpose: count at least as much as the provider says is used. Never less: calls in flight are counted here, not yet there.
-- KEYS: none; the window is named by the script
-- ARGV[1] JSON {window (with group, maybe daily_limit), remaining, guard_ms, calendars}  ARGV[2] now_ms or ''
-- Returns: {by how much the count was raised}; {'clock', now_ms} if the calendars do not contain now
-- include windows.lua
local now = clock(ARGV[2])
local spec = cjson.decode(ARGV[1])
if not calendars_hold(spec.calendars, now, spec.guard_ms) then
  return {'clock', now}
end
local w = spec.window
if not bind(w, w.group, w.daily_limit, spec.guard_ms, spec.calendars) then
  return {0}
end
local missing = w.cap - spec.remaining - kinds[w.kind].used(w, now)
if missing <= 0 then
  return {0}
end
kinds[w.kind].raise(w, missing, now)
return {missing}
