-- Capacity has come back: what had pushed keys back in the ready indexes may be gone, so let them be looked at again.
-- include nobody.lua

local function wake(lease, all_models, now)
  local models = all_models and redis.call('SMEMBERS', lease.models) or {lease.model}
  for _, model in ipairs(models) do
    redis.call('DEL', nobody_name(lease.ready .. model))
  end
  for _, key in ipairs(redis.call('SMEMBERS', lease.group_keys)) do
    local priority = redis.call('HGET', lease.facts .. key, 'priority')
    for _, model in ipairs(priority and models or {}) do
      redis.call('ZADD', lease.ready .. model .. ':' .. priority, 'XX', 'LT', now, key)
    end
  end
end
