-- Redis key: string pool:hold:* "until_ms reason"; TTL: until then.
-- include clock.lua

-- Until when a scope is left alone, ms; 0: it is not.
local function held_until(name)
  return tonumber(string.match(redis.call('GET', name) or '', '^%d+') or 0)
end

-- Leave a scope alone until a time, if it is not left alone for longer already. Returns until when it is held now.
local function extend_hold(name, until_ms, reason, now)
  local held = held_until(name)
  if until_ms <= held or until_ms <= now then
    return held
  end
  redis.call('SET', name, whole(until_ms) .. ' ' .. reason, 'PX', until_ms - now)
  return until_ms
end
