-- What a provider says of its windows, and what is made of it: a window that it says is fuller than we count is counted as full as
-- that (never as less: calls in flight are counted here and not yet there), and a limit that it says is lower than the
-- configured one is kept to from then on, for all keys of the quota group.
--
-- Redis key: hash pool:key:*, field "learned": JSON {window name: [limit, when it was said, ms]}.
-- include windows.lua
-- include wake.lua

local function learn(lease, name, limit, now)
  for _, key in ipairs(redis.call('SMEMBERS', lease.group_keys)) do
    local learned = cjson.decode(redis.call('HGET', lease.facts .. key, 'learned') or '{}')
    learned[name] = {limit, now}
    redis.call('HSET', lease.facts .. key, 'learned', cjson.encode(learned))
  end
end

-- `said`: [{unit, period_ms, limit, remaining}], each of the two only if it was said; it was true at some time since the request was sent.
local function believe(lease, note, said, call)
  local grains = grains_of(note.unit)
  for _, it in ipairs(said) do
    if it.unit == note.unit and it.period_ms == note.period_ms then
      if it.limit and (it.limit * grains < note.cap or note.is_learned) then
        learn(lease, note.name, it.limit, call.now)
        wake(lease, note.shared, call.now)
      end
      if it.remaining then
        local used = (it.limit and it.limit * grains or note.cap) - it.remaining * grains
        kinds[note.kind].count_at_least(note, used, call)
      end
    end
  end
end
