-- Windows of kind `refill`: a bucket of `cap` that refills continuously, full again after one period.
--
-- Redis key: hash {owed: how much was missing from a full bucket, at: the time (ms) of that, pending: reserved by calls
-- in flight (late windows only)}. Amounts, not times, so that models with different limits may share a bucket.
--
-- The provider takes from its bucket when the request arrives, 0 to guard_ms after our acquire. What is owed is written
-- down as of now + guard, as if the request had arrived last of all, so our bucket is never fuller than the provider's.
-- The check itself needs no guard: with owed(now) + amount <= cap the provider's bucket holds enough at any later arrival,
-- in whatever order the requests in flight arrive, because owed(now) already counts each of them at its latest.
--
-- A `late` window is charged when the call ends: the amount is pending, which does not drain, and is owed from the
-- settlement on, which comes after the provider's charge.
local refill = {}
local ROUNDING = 1e-6

local function read_bucket(name)
  local fields = redis.call('HMGET', name, 'owed', 'at', 'pending')
  return {owed = tonumber(fields[1] or 0), at = tonumber(fields[2] or 0), pending = tonumber(fields[3] or 0)}
end

local function owed_at(bucket, w, time)
  return math.max(0, bucket.owed - (time - bucket.at) * w.cap / w.period_ms)
end

local function write_owed(w, owed, at)
  redis.call('HSET', w.name, 'owed', string.format('%.17g', owed), 'at', at)
  redis.call('PEXPIRE', w.name, w.keep_ms)
end

function refill.free_at(w, amount, now)
  local bucket = read_bucket(w.name)
  local excess = owed_at(bucket, w, now) + amount - w.cap
  if excess > ROUNDING then
    return now + math.ceil(excess * w.period_ms / w.cap - ROUNDING)
  end
  if excess + bucket.pending > ROUNDING then
    return now + SOON_MS
  end
  return now
end

function refill.reserve(w, amount, now)
  if w.late then
    redis.call('HINCRBY', w.name, 'pending', amount)
    redis.call('PEXPIRE', w.name, w.keep_ms)
  else
    local latest = now + w.guard_ms
    write_owed(w, owed_at(read_bucket(w.name), w, latest) + amount, latest)
  end
end

function refill.settle(note, actual, call)
  local bucket = read_bucket(note.name)
  local now = call.now
  local owed = owed_at(bucket, note, now)
  if note.late then
    if bucket.pending > 0 then
      redis.call('HINCRBY', note.name, 'pending', -math.min(note.amount, bucket.pending))
    end
    if actual > 0 then
      write_owed(note, owed + actual, now)
    end
    return
  end
  local per_ms = note.cap / note.period_ms
  if actual < note.amount then
    -- What has drained since cannot be given back: without this lease the bucket might have been full, and not drained.
    local drained = (now - call.acquired_ms) * per_ms
    owed = math.max(0, owed - math.max(0, note.amount - actual - drained))
  else
    owed = owed + actual - note.amount
  end
  if call.sent_after_ms > note.guard_ms then
    owed = owed + math.min(actual, (call.sent_after_ms - note.guard_ms) * per_ms)
  end
  write_owed(note, owed, now)
end

function refill.used(w, now)
  local bucket = read_bucket(w.name)
  return math.ceil(owed_at(bucket, w, now) + bucket.pending - ROUNDING)
end

function refill.resets_at(w, now)
  return now + math.ceil(owed_at(read_bucket(w.name), w, now) * w.period_ms / w.cap)
end

function refill.raise(w, amount, now)
  write_owed(w, owed_at(read_bucket(w.name), w, now) + amount, now)
end
