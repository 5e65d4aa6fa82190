-- Purpose: take a worker that leaves in order off the list of those that are there, and off the roll.
-- KEYS[1]  worker   pool:worker:{name}, string
-- KEYS[2]  workers  pool:workers, hash
-- ARGV[1]  name
-- ARGV[2]  since    when it came, as it says itself: another may have come under its name
-- Returns: 1 if it was there, 0 if not
local last = redis.call('HGET', KEYS[2], ARGV[1])
if not last or cjson.decode(last).since ~= ARGV[2] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
