-- Redis key: string pool:hold:* "until_ms reason"; TTL: until then.
-- include clock.lua

-- Leave a scope alone until a time, if it is not left alone for longer already. Returns until when it is held now, and until when it was.
local function extend_hold(name, until_ms, reason, now)
  local held_until = tonumber(string.match(redis.call('GET', name) or '', '^%d+') or 0)
  if until_ms <= held_until or until_ms <= now then
    return held_until, held_until
  end
  redis.call('SET', name, whole(until_ms) .. ' ' .. reason, 'PX', until_ms - now)
  return until_ms, held_until
end
