-- Purpose: note that alerts are being sent now, unless somebody else has noted something of one of them meanwhile.
-- KEYS[1]  progress  pool:alerts:progress, hash
-- ARGV[1…] field, what was read of it ('' = nothing), what it is from now, field, …
-- Returns: 1 if they are ours to send, 0 if not (then nothing was noted)
for i = 1, #ARGV, 3 do
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then
    return 0
  end
end
for i = 1, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
end
return 1
