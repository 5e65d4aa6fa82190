-- Windows of kind `concurrent`: at most `cap` calls in flight. They have no period: `period_ms` is 0.
--
-- Redis key: sorted set, lease id -> its deadline. A call that nobody ends is not counted after that.
local concurrent = {}

-- A call may end at any time, and nobody wakes a key for that: the key stays where small jobs look for it.
function concurrent.free_at(w, _, now)
  local used = concurrent.used(w, now)
  return used < w.cap and now or now + SOON_MS, now, used
end

function concurrent.reserve(w, _, _, lease)
  redis.call('ZADD', w.name, lease.deadline_ms, lease.id)
  redis.call('PEXPIRE', w.name, w.keep_ms)
  return {}
end

function concurrent.settle(note, _, call)
  redis.call('ZREM', note.name, call.lease_id)
end

function concurrent.used(w, now)
  return redis.call('ZCOUNT', w.name, '(' .. whole(now), '+inf')
end
