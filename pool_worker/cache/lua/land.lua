-- Purpose: a flight is over: whoever leads next is free to begin, and all who wait are told. May be repeated.
-- KEYS[1] the flight (string: id of the job that leads)
-- ARGV[1] job_id  ARGV[2] channel of landings  ARGV[3] the flight's name
-- Returns: 1, or 0 when another job leads it, or none
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
