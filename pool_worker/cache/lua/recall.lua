-- Purpose: the first of some answers that is there; it counts as just used. May be repeated.
-- KEYS[1] when each answer was last used (sorted set)  KEYS[2..] the answers (strings), the best first
-- ARGV: none
-- Returns: the answer (JSON), or nil
for i = 2, #KEYS do
  local text = redis.call('GET', KEYS[i])
  if text then
    redis.call('ZADD', KEYS[1], redis.call('TIME')[1], KEYS[i])
    return text
  end
end
return nil
