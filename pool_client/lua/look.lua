-- Purpose: how some jobs stand, for those who wait for them.
-- KEYS     for each job two: string celery-task-meta-<id> (its outcome), hash pool:job:<id> (its record)
-- ARGV     none
-- Returns  for each job its outcome (JSON); "" while it goes on; false if it is not known (any more)

local answers = {}
for index = 1, #KEYS, 2 do
  local outcome = redis.call('GET', KEYS[index])
  if not outcome and redis.call('EXISTS', KEYS[index + 1]) == 1 then
    outcome = ''
  end
  answers[#answers + 1] = outcome
end
return answers
