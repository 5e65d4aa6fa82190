-- Purpose: bring parked jobs whose time has come back to the head of their queues, the longest due first.
-- KEYS: 1 parked (zset job id -> due, ms) · 2 parked messages (hash job id -> "list \n message")
-- ARGV: 1 limit · 2 prefix of the jobs' records · 3 now_ms ("" = Redis's clock)
-- Returns: how many came back
-- include clock.lua
-- include push.lua
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', clock_ms(ARGV[3]), 'LIMIT', 0, tonumber(ARGV[1]))
for i = #due, 1, -1 do
  local entry = redis.call('HGET', KEYS[2], due[i])
  redis.call('ZREM', KEYS[1], due[i])
  redis.call('HDEL', KEYS[2], due[i])
  if entry then
    local at = string.find(entry, '\n', 1, true)
    push_first(string.sub(entry, 1, at - 1), string.sub(entry, at + 1))
    local record = ARGV[2] .. due[i]
    if redis.call('HGET', record, 'state') == 'parked' then
      redis.call('HSET', record, 'state', 'queued')
      redis.call('HDEL', record, 'due_ms', 'wait_reason')
    end
  end
end
return #due
