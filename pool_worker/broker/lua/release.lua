-- Takes a message out of the unacknowledged ones. Returns its list and the message, or nil when its lease was lost: then
-- somebody else owns it and nothing may be done to it.
local function release(unacked, index, tag)
  local entry = redis.call('HGET', unacked, tag)
  redis.call('ZREM', index, tag)
  if not entry then return nil end
  redis.call('HDEL', unacked, tag)
  local at = string.find(entry, '\n', 1, true)
  return string.sub(entry, 1, at - 1), string.sub(entry, at + 1)
end
