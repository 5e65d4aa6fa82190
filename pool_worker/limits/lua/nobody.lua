-- What a walk over all keys of a model has found out, when none was free: nobody is before a time for a job of this size or larger. So
-- the next one need not look again, unless something came back meanwhile (leases.lua, enroll.lua).
--
-- Redis key: string pool:ready:*:nobody "until who|what|amounts by unit" (`what` may be a provider's own words); TTL: until then.
-- include clock.lua

local function nobody_name(ready)
  return ready .. ':nobody'
end

-- What is in the way for less than SOON_MS is a call in flight, whose end nobody knows.
local function note_nobody(ready, amounts, at, who, what, now)
  if at > now + SOON_MS and at < NEVER then
    local found = whole(at) .. ' ' .. who .. '|' .. what .. '|' .. table.concat(amounts, ' ')
    redis.call('SET', nobody_name(ready), found, 'PX', math.ceil(at - now))
  end
end

-- Until when nobody is free for these amounts, who is then, and what is in the way; nil if that is not known.
local function nobody_until(found, amounts, now)
  local at, who, what, sizes = string.match(found or '', '^(%d+) ([^|]*)|(.*)|([^|]*)$')
  if not at or tonumber(at) <= now then
    return nil
  end
  local i = 0
  for size in string.gmatch(sizes, '%S+') do
    i = i + 1
    if amounts[i] < tonumber(size) then
      return nil
    end
  end
  return tonumber(at), who, what
end
