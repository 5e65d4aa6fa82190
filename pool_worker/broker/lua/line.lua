-- The order in which the jobs of a lane that are due are let go: the most urgent first; of those, each agent in its turn.
--
-- Turns are handed out when a job is first parked in a lane, like numbers at a counter of which an agent with weight 2 draws twice as
-- many: its own last number, or the one that is being served if that is later, plus a stride divided by its weight.
--
-- Redis keys: the lane (hash): "turn <priority>" (the last that was served), "turn <priority> <agent>" (the last that it drew);
-- who is due in it (sorted set): "place:job id" -> urgency and turn.
local URGENCY = 9e14 -- ten of them are still exact in a score
local STRIDE = 1e4

-- Returns the turn, and the stride that it took.
local function draw_turn(lane, priority, agent, weight)
  local served, drawn = unpack(redis.call('HMGET', lane, 'turn ' .. priority, 'turn ' .. priority .. ' ' .. agent))
  local stride = math.max(1, math.floor(STRIDE / weight))
  local turn = math.max(tonumber(served or 0), tonumber(drawn or 0)) + stride
  redis.call('HSET', lane, 'turn ' .. priority .. ' ' .. agent, string.format('%.0f', turn))
  return turn, stride
end

-- A job leaves before it is served: its agent's next job need not stand behind it.
local function give_turn_back(lane, priority, agent, stride)
  redis.call('HINCRBY', lane, 'turn ' .. priority .. ' ' .. agent, -stride)
end

local function score_of(priority, turn)
  return string.format('%.0f', priority * URGENCY + turn)
end

-- Somebody with this score was let go.
local function serve(lane, score)
  local priority = math.floor(score / URGENCY)
  local turn = score - priority * URGENCY
  if turn > tonumber(redis.call('HGET', lane, 'turn ' .. priority) or 0) then
    redis.call('HSET', lane, 'turn ' .. priority, string.format('%.0f', turn))
  end
end

-- The priority of the most urgent who is due; nil if nobody is.
local function most_urgent(due)
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
  return first and math.floor(first / URGENCY)
end

-- Whether a job that is not let go from this lane has to join those that are due in it: they came first, and are as urgent.
local function must_join(due, record, lane, priority)
  local urgency = most_urgent(due)
  return urgency and urgency <= priority and redis.call('HGET', record, 'let_go_in') ~= lane
end
