-- Puts a message at the head of a list, where the next claim takes it, or at its end, and rings the list's bell for idle workers.
local function ring(list)
  local bell = 'pool:bell:' .. list
  if redis.call('PEXPIRE', bell, 60000) == 0 then -- one that rings, unheard, needs no second stroke
    redis.call('LPUSH', bell, 1)
    redis.call('PEXPIRE', bell, 60000)
  end
end

local function push_last(list, message)
  redis.call('LPUSH', list, message)
  ring(list)
end

local function push_first(list, message)
  redis.call('RPUSH', list, message)
  ring(list)
end
