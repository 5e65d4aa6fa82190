-- Purpose: leave a scope alone because it failed without saying for how long: for a moment at first, twice as long each time it
--          fails again after a hold. Failures during a hold belong to the same fall and change nothing.
-- KEYS: 1 hold (string "until_ms reason") · 2 failures (string: falls so far)
-- ARGV: 1 first_ms · 2 longest_ms · 3 forgiven_after (holds without a fall until the count is forgotten) · 4 reason
--       5 now_ms ("" = Redis's clock)
-- Returns: how long it is held from now, in ms; 0 when it was held already
local now_ms = tonumber(ARGV[5])
if not now_ms then
  local time = redis.call('TIME')
  now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
end
local held_until = tonumber(string.match(redis.call('GET', KEYS[1]) or '', '^%d+') or 0)
if held_until > now_ms then return 0 end
local first_ms, longest_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local falls = redis.call('INCR', KEYS[2])
local hold_ms = math.floor(math.min(first_ms * 2 ^ math.min(falls - 1, 32), math.max(first_ms, longest_ms)))
redis.call('SET', KEYS[1], string.format('%.0f', now_ms + hold_ms) .. ' ' .. ARGV[4], 'PX', hold_ms)
redis.call('PEXPIRE', KEYS[2], hold_ms * (1 + tonumber(ARGV[3])))
return hold_ms
