-- Purpose: how full windows are, changing nothing.
-- KEYS: none; the windows are named by the script
-- ARGV[1] JSON {windows: [window with `group` and maybe `daily_limit` and `key_facts` (redis key)], guard_ms, calendars}  ARGV[2] now_ms or ''
-- Returns: for each window three integers: used, limit in force (-1: none), time in ms at which it is back to 0;
--   {'clock', now_ms} if the calendars do not contain now
-- include windows.lua
local now = clock(ARGV[2])
local spec = cjson.decode(ARGV[1])
local time = {now = now, guard_ms = spec.guard_ms, calendars = spec.calendars}
if not calendars_hold(time) then
  return {'clock', now}
end
local answer = {}
for _, w in ipairs(spec.windows) do
  local used, limit, resets_at = 0, -1, now
  local learned = w.key_facts and redis.call('HGET', w.key_facts, 'learned')
  if bind(w, {group = w.group, daily_limit = w.daily_limit, learned = learned}, time) then
    used = math.ceil(kinds[w.kind].used(w, now) / grains_of(w.unit))
    limit, resets_at = w.limit_in_force, kinds[w.kind].resets_at(w, now)
  end
  answer[#answer + 1] = used
  answer[#answer + 1] = limit
  answer[#answer + 1] = resets_at
end
return answer
