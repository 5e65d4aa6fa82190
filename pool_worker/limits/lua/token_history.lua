-- How many tokens calls have taken: for each field the most that any call of this generation and of the one before took.
--
-- Redis key: hash field -> "calls of this generation, the most of it, the most of the one before".
local GENERATION = 200

local function note_tokens(name, seen)
  for field, value in pairs(seen) do
    local calls, most, before = string.match(redis.call('HGET', name, field) or '0 0 0', '^(%S+) (%S+) (%S+)$')
    calls, most = calls + 1, math.max(most, value)
    if calls >= GENERATION then
      calls, most, before = 0, 0, most
    end
    redis.call('HSET', name, field, calls .. ' ' .. most .. ' ' .. before)
  end
end
