-- Purpose: leave a scope alone because a call failed: until the time that was named, or else for a moment at first, twice as long each
--   time it fails again after a hold. The health of who failed suffers; at 0 it is left alone for longer (quarantine). Failures during
--   a hold belong to the same fall: they may make the hold longer, and change nothing else.
-- KEYS[1] hold (string "until_ms reason")  KEYS[2] failures (string: falls so far)
--   KEYS[3..] health (string, see limits/scores.lua) and hold of each whose health suffers
-- ARGV[1] first_ms  ARGV[2] longest_ms  ARGV[3] named_ms from now, or '' if no time was named
--   ARGV[4] forgiven_after (holds without a fall until the count is forgotten)  ARGV[5] points that the health loses
--   ARGV[6] quarantine_ms  ARGV[7] reason  ARGV[8] now_ms or ''
-- Returns: {how long it is held from now, in ms; 0 when it was held already, the number in KEYS[3..] (from 0) of who went into
--   quarantine, or -1}
-- include limits/holds.lua
-- include limits/scores.lua

-- Of who has a health: a success forgets them, or so much time.
local FALLS_KEEP_MS = 3600000

local now = clock(ARGV[8])
local first_ms, longest_ms, named_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local reason = ARGV[7]

if held_until(KEYS[1]) > now then
  if named_ms then
    extend_hold(KEYS[1], now + named_ms, reason, now)
  end
  return {0, -1}
end
local falls = redis.call('INCR', KEYS[2])
local hold_ms = named_ms or math.floor(math.min(first_ms * 2 ^ math.min(falls - 1, 32), math.max(first_ms, longest_ms)))
local counted_ms = math.ceil(hold_ms) * (1 + tonumber(ARGV[4]))
if #KEYS > 2 then
  counted_ms = math.max(counted_ms, FALLS_KEEP_MS)
end
redis.call('PEXPIRE', KEYS[2], counted_ms)
local quarantined = -1
for i = 3, #KEYS, 2 do
  if lower_score(KEYS[i], tonumber(ARGV[5])) == 0 then
    quarantined = math.floor((i - 3) / 2)
    extend_hold(KEYS[i + 1], now + tonumber(ARGV[6]), reason, now)
  end
end
return {extend_hold(KEYS[1], now + hold_ms, reason, now) - now, quarantined}
