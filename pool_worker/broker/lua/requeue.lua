-- Purpose: put one claimed message back at the head of its list, as if it had never been claimed: the delivery is not counted.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset) · 3 deliveries (hash task id -> count)
-- ARGV: 1 tag · 2 task_id ("" = unknown)
-- Returns: 1, or 0 when the message was no longer ours
-- include push.lua
-- include release.lua
local list, message = release(KEYS[1], KEYS[2], ARGV[1])
if not list then return 0 end
if ARGV[2] ~= '' and redis.call('HINCRBY', KEYS[3], ARGV[2], -1) <= 0 then
  redis.call('HDEL', KEYS[3], ARGV[2])
end
push_first(list, message)
return 1
