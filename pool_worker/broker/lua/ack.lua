-- Purpose: acknowledge one claimed message: its work is done, forget it.
-- KEYS: 1 unacked (hash tag -> "list \n message") · 2 its index (zset) · 3 deliveries (hash task id -> count)
-- ARGV: 1 tag · 2 task_id ("" = unknown)
-- Returns: 1, or 0 when the message was no longer ours (then its deliveries go on being counted)
-- include release.lua
if not release(KEYS[1], KEYS[2], ARGV[1]) then return 0 end
if ARGV[2] ~= '' then redis.call('HDEL', KEYS[3], ARGV[2]) end
return 1
