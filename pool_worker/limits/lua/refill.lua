-- Windows of kind `refill`: a bucket of `cap` that refills continuously, full again after one period.
--
-- Redis key: string "owed at pending": how much was missing from a full bucket, the time (ms) of that, and what calls in
-- flight have reserved (late windows only). Amounts, not times, so that models with different limits may share a bucket.
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
  local owed, at, pending = string.match(redis.call('GET', name) or '0 0 0', '^(%S+) (%S+) (%S+)$')
  return {owed = tonumber(owed), at = tonumber(at), pending = tonumber(pending)}
end

local function owed_at(bucket, w, time)
  return math.max(0, bucket.owed - (time - bucket.at) * w.cap / w.period_ms)
end

local function write_bucket(w, owed, at, pending)
  redis.call('SET', w.name, string.format('%.17g %.0f %.0f', owed, at, pending), 'PX', w.keep_ms)
end

local function freed_at(w, excess, pending, now)
  if excess > ROUNDING then
    return now + math.ceil(excess * w.period_ms / w.cap - ROUNDING)
  end
  return excess + pending > ROUNDING and now + SOON_MS or now
end

function refill.free_at(w, amount, now)
  local bucket = read_bucket(w.name)
  w.read = bucket
  local owed = owed_at(bucket, w, now)
  local spare = w.cap - owed
  return freed_at(w, amount - spare, bucket.pending, now), freed_at(w, 1 - spare, bucket.pending, now), owed + bucket.pending
end

function refill.reserve(w, amount, now)
  local bucket = w.read or read_bucket(w.name)
  if w.late then
    write_bucket(w, bucket.owed, bucket.at, bucket.pending + amount)
  else
    local latest = now + w.guard_ms
    write_bucket(w, owed_at(bucket, w, latest) + amount, latest, bucket.pending)
  end
  return {}
end

function refill.settle(note, actual, call)
  local bucket = read_bucket(note.name)
  local now = call.now
  local owed = owed_at(bucket, note, now)
  if note.late then
    write_bucket(note, owed + actual, now, math.max(0, bucket.pending - note.amount))
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
  write_bucket(note, owed, now, bucket.pending)
end

function refill.used(w, now)
  local bucket = read_bucket(w.name)
  return math.ceil(owed_at(bucket, w, now) + bucket.pending - ROUNDING)
end

function refill.resets_at(w, now)
  return now + math.ceil(owed_at(read_bucket(w.name), w, now) * w.period_ms / w.cap)
end

-- Some of what was used has drained since. What remains is told rounded down: only who says that at least one whole more is used
-- than we count speaks of more than we know, and then it may be nearly one more than that.
function refill.count_at_least(note, used, call)
  local bucket = read_bucket(note.name)
  local now = call.now
  local owed = owed_at(bucket, note, now)
  local missing = used - (now - call.acquired_ms - call.sent_after_ms) * note.cap / note.period_ms - owed - DOUBT * bucket.pending
  if missing >= 1 - ROUNDING then
    write_bucket(note, owed + missing, now, bucket.pending)
  end
end
