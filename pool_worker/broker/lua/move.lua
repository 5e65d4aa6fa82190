-- Purpose: send a claimed job on to a sibling queue under the same id: behind those that went there before it, or, if it has lost
--          time by a failed call, at the head.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset) · 3 deliveries (hash) · 4 the job's record (hash)
-- ARGV: 1 tag · 2 task_id · 3 queue to go to · 4 separator between a queue's name and a priority · 5 trail (JSON)
--       6 "first" or "last"
-- Returns: 1, or 0 when the message was no longer ours: nothing was moved
-- include push.lua
-- include release.lua
local list, message = release(KEYS[1], KEYS[2], ARGV[1])
if not list then return 0 end
redis.call('HDEL', KEYS[3], ARGV[2]) -- a hop is progress: only deliveries without any count towards poison
redis.call('HSET', KEYS[4], 'state', 'queued', 'queue', ARGV[3], 'trail', ARGV[5])
redis.call('HINCRBY', KEYS[4], 'hops', 1)
local at = string.find(list, ARGV[4], 1, true)
local push = ARGV[6] == 'first' and push_first or push_last
push(ARGV[3] .. (at and string.sub(list, at) or ''), message)
return 1
