-- The clock: Redis's own, in whole milliseconds, and the fraction that is left; a test's now_ms overrides it ('' = none).
local function clock(now_ms)
  if now_ms ~= '' then
    return tonumber(now_ms), 0
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000), time[2] % 1000 / 1000
end

-- How soon to ask again when a call in flight is in the way: nobody knows when it will end.
local SOON_MS = 1000
local NEVER = math.huge

-- A whole number as text: '..' alone writes large ones as 1.7e+15.
local function whole(number)
  return string.format('%.0f', number)
end
