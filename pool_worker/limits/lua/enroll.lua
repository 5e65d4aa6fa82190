-- Purpose: make the ready indexes and key facts of one provider what the registry says. Idempotent: ready keys that stay keep
--   their place in the order; those that wait are looked at once more, as limits may have changed.
-- KEYS[1] enrolled models (set)  KEYS[2] enrolled keys (set)
--   Named by the script: pool:ready:* (string, sorted sets), pool:key:* (hash), pool:group:* (set)
-- ARGV[1] JSON {models: [name], keys: [{id, priority, group, daily_limit or '', daily_budget_usd or '', daily_budget or ''}], priorities: "1 2", ready, facts,
--   group (prefixes)}
-- ARGV[2] now_ms or ''
-- Returns: the number of keys enrolled
-- include nobody.lua
local CHUNK = 500
local now = clock(ARGV[2])
local spec = cjson.decode(ARGV[1])

local function chunks_of(items, size)
  local first = 1 - size
  return function()
    first = first + size
    if first <= #items then
      return {unpack(items, first, math.min(first + size - 1, #items))}
    end
  end
end

local function scored(score, members)
  local pairs_of = {}
  for _, member in ipairs(members) do
    pairs_of[#pairs_of + 1] = score
    pairs_of[#pairs_of + 1] = member
  end
  return pairs_of
end

-- Where each key was: priority -> ids that have no place there any more.
local misplaced = {}
local function take_out(key_id, priority, group)
  misplaced[priority] = misplaced[priority] or {}
  table.insert(misplaced[priority], key_id)
  redis.call('SREM', spec.group .. group, key_id)
end

local staying = {}
local places = {}
for _, key in ipairs(spec.keys) do
  staying[key.id] = true
  local priority = string.format('%d', key.priority)
  local was = redis.call('HMGET', spec.facts .. key.id, 'priority', 'group')
  if was[1] and (was[1] ~= priority or was[2] ~= key.group) then
    take_out(key.id, was[1], was[2])
  end
  redis.call(
    'HSET', spec.facts .. key.id, 'priority', priority, 'group', key.group, 'daily_limit', key.daily_limit,
    'daily_budget_usd', key.daily_budget_usd, 'daily_budget', key.daily_budget == '' and '' or string.format('%.0f', key.daily_budget)
  )
  redis.call('SADD', spec.group .. key.group, key.id)
  redis.call('SADD', KEYS[2], key.id)
  places[priority] = places[priority] or {}
  table.insert(places[priority], key.id)
end
for _, key_id in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  if not staying[key_id] then
    local was = redis.call('HMGET', spec.facts .. key_id, 'priority', 'group')
    if was[1] then
      take_out(key_id, was[1], was[2])
    end
    redis.call('DEL', spec.facts .. key_id)
    redis.call('SREM', KEYS[2], key_id)
  end
end

local served = {}
for _, model in ipairs(spec.models) do
  served[model] = true
  redis.call('SADD', KEYS[1], model)
end
for _, model in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local ready = spec.ready .. model
  redis.call('DEL', nobody_name(ready))
  if served[model] then
    for priority, ids in pairs(misplaced) do
      for some in chunks_of(ids, CHUNK) do
        redis.call('ZREM', ready .. ':' .. priority, unpack(some))
      end
    end
    for priority, ids in pairs(places) do
      for some in chunks_of(ids, CHUNK) do
        redis.call('ZADD', ready .. ':' .. priority, 'NX', unpack(scored(0, some)))
        redis.call('ZADD', ready .. ':' .. priority, 'XX', 'LT', unpack(scored(now, some)))
      end
    end
    redis.call('SET', ready, spec.priorities)
  else
    for priority in string.gmatch(redis.call('GET', ready) or '', '%S+') do
      redis.call('DEL', ready .. ':' .. priority)
    end
    redis.call('DEL', ready)
    redis.call('SREM', KEYS[1], model)
  end
end
return #spec.keys
