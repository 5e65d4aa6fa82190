-- Windows of kind `sliding`: at most `cap` in any period.
--
-- Redis key: sorted set, one member "amount:lease id" per call, scored by the time it counts from; and the members "=", whose score is
-- minus the running total, and "+", minus all that was ever taken (negative, so that no range by time touches them).
--
-- The provider counts a request when it arrives, 0 to guard_ms after our acquire. Counted from the acquire and kept for
-- period + guard, it outlives the provider's own count whenever it arrived, and the next acquire, which arrives later
-- than it is made, cannot be early.
--
-- A `late` window counts what is only known when the call ends. Until then the amount is in the total but has no entry,
-- so it cannot leave the window before the provider has counted it. Its entry is made at the settlement, which comes
-- after the provider's count: no guard is needed.
local sliding = {}
local TOTAL, EVER = '=', '+'
local PAGE = 50

local function amount_of(member)
  return tonumber(string.match(member, '^%d+'))
end

local function lifetime_ms(w)
  return w.late and w.period_ms or w.period_ms + w.guard_ms
end

local function sum_of(name, sum)
  return -tonumber(redis.call('ZSCORE', name, sum) or 0)
end

-- The total after the entries that have left were dropped.
local function prune(w, total, now)
  while true do
    local left = redis.call('ZRANGE', w.name, '(0', now - lifetime_ms(w), 'BYSCORE', 'LIMIT', 0, PAGE)
    if #left == 0 then
      return total
    end
    local freed = 0
    for _, member in ipairs(left) do
      freed = freed + amount_of(member)
    end
    redis.call('ZREM', w.name, unpack(left))
    redis.call('ZINCRBY', w.name, freed, TOTAL)
    total = total - freed
  end
end

-- When so many entries have left that `excess` is gone.
local function freed_at(w, excess, now)
  local first = 0
  while excess > 0 do
    local page = redis.call('ZRANGE', w.name, '(0', '+inf', 'BYSCORE', 'LIMIT', first, math.min(excess, PAGE), 'WITHSCORES')
    if #page == 0 then
      return now + SOON_MS
    end
    for i = 1, #page, 2 do
      excess = excess - amount_of(page[i])
      if excess <= 0 then
        return page[i + 1] + lifetime_ms(w)
      end
    end
    first = first + #page / 2
  end
  return now
end

function sliding.free_at(w, amount, now)
  local total = prune(w, sum_of(w.name, TOTAL), now)
  w.read = total
  local at = freed_at(w, total + amount - w.cap, now)
  return at, amount > 1 and at > now and freed_at(w, total + 1 - w.cap, now) or at, total
end

-- Add to both sums; returns all that was ever taken.
local function take(w, amount)
  redis.call('ZINCRBY', w.name, -amount, TOTAL)
  local ever = -redis.call('ZINCRBY', w.name, -amount, EVER)
  redis.call('PEXPIRE', w.name, w.keep_ms)
  return ever
end

function sliding.reserve(w, amount, now, lease)
  local counted = (w.read or prune(w, sum_of(w.name, TOTAL), now)) + amount
  if not w.late then
    redis.call('ZADD', w.name, now, whole(amount) .. ':' .. lease.id)
  end
  return {counted = counted, ever = take(w, amount)}
end

function sliding.settle(note, actual, call)
  local held, from = 0, call.now
  if not note.late then
    from = call.acquired_ms + call.sent_after_ms
    held = redis.call('ZREM', note.name, whole(note.amount) .. ':' .. call.lease_id) * note.amount
  elseif redis.call('EXISTS', note.name) == 1 then
    held = note.amount
  end
  local counted = 0
  if actual > 0 and from + lifetime_ms(note) > call.now then
    counted = actual
    redis.call('ZADD', note.name, from, whole(actual) .. ':' .. call.lease_id)
  end
  if counted ~= held then
    redis.call('ZINCRBY', note.name, held - counted, TOTAL)
  end
  if counted > note.amount then
    redis.call('ZINCRBY', note.name, note.amount - counted, EVER)
  end
  if counted > 0 then
    redis.call('PEXPIRE', note.name, note.keep_ms)
  end
end

function sliding.used(w, now)
  local used = sum_of(w.name, TOTAL)
  for _, member in ipairs(redis.call('ZRANGE', w.name, '(0', now - lifetime_ms(w), 'BYSCORE')) do
    used = used - amount_of(member)
  end
  return used
end

function sliding.resets_at(w, now)
  local last = redis.call('ZRANGE', w.name, -1, -1, 'WITHSCORES')
  return #last > 0 and last[1] ~= TOTAL and last[2] + lifetime_ms(w) or now
end

-- All that the provider can have counted of ours was counted here at the acquire, or was reserved since. Entries that have left meanwhile
-- may be gone, so what is counted now would be too little to compare with.
function sliding.count_at_least(note, used, call)
  if call.now - call.acquired_ms >= note.period_ms then
    return
  end
  local counted = note.counted + math.max(0, sum_of(note.name, EVER) - note.ever)
  local missing = used - (note.late and DOUBT or 1) * counted
  if missing > 0 then
    redis.call('ZADD', note.name, call.now, whole(missing) .. ':said:' .. call.lease_id)
    take(note, missing)
  end
end
