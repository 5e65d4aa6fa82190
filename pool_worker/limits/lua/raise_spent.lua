-- Purpose: bring budgets to at least what the ledger knows was spent, and note that they are known. Idempotent; nothing is lowered.
-- KEYS[1] that what was spent is known (string)  KEYS[2..n] pool:budget:*:<start of the period> (string)
-- ARGV[i], for KEYS[i + 1]: micro-USD that were spent  ARGV[n], the last one: how long those are kept, ms
-- Returns: how many were raised
local raised = 0
for i = 2, #KEYS do
  local spent = tonumber(ARGV[i - 1])
  if tonumber(redis.call('GET', KEYS[i]) or 0) < spent then
    redis.call('SET', KEYS[i], string.format('%.0f', spent), 'PX', ARGV[#ARGV])
    raised = raised + 1
  end
end
redis.call('SET', KEYS[1], '1')
return raised
