-- What is known of the lanes in which parked jobs wait, and of their pace.
--
-- A lane (hash): providers (those that may answer its jobs, with blanks between), handful (how many it lets go at a time; grows by fractions), out (ids of the last handful, until all of them have
-- found out), since_ms (when they were let go), in_vain (how many of them found no capacity), shut_ms (when the first of those is
-- due again).
-- The pace (hash), of all lanes: places (counts jobs as they are first parked), pause_ms and quiet_until_ms (until then no lane asks
-- with a single job whether capacity is back), mover and mover_until_ms (who lets jobs go, and when it is back at the latest).
local NEVER = 9e15
local SHUT_AT_MOST_MS = 5000 -- the jobs of a lane are much alike, not equal: another may fit where one did not
local FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 40, 160

local LANE_TTL_MS = 35 * 86400000 -- nobody waits longer than for the next month

-- The number of a list's priority: 0 is the most urgent.
local function priority_of(list, separator)
  local _, at = string.find(list, separator, 1, true)
  return at and tonumber(string.sub(list, at + 1)) or 0
end

local function whole(number)
  return string.format('%.0f', number)
end

-- A noted time if it is ahead; 0 if it has passed, or is so far ahead that Redis's clock must have gone back since it was noted.
local function ahead(noted, now_ms, most_ms)
  local ms = tonumber(noted or 0)
  return ms > now_ms and ms <= now_ms + most_ms and ms or 0
end
