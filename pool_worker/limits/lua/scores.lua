-- Health scores of providers and keys, from 0 to 100: a failure takes some, a success gives some back (the amounts are the caller's). Who
-- fell below ILL takes a fifth of the calls that it would have got, and as it gets better as many percent as its score is, until it is
-- WELL_AGAIN: traffic ramps up, it does not jump.
--
-- Redis key: string pool:health:* "score, percent of a call that it has saved up, 1 while it recovers else 0"; missing: 100; TTL: a
-- day after its last change.
local HEALTHY, ILL, WELL_AGAIN = 100, 20, 60
local WHOLE_CALL = 100
local SCORE_KEEP_MS = 86400000

local function unpack_health(value)
  local score, saved, recovers = string.match(value or '', '^(%d+) (%d+) (%d)$')
  if not score then
    return {score = HEALTHY, saved = 0, recovers = false}
  end
  return {score = tonumber(score), saved = tonumber(saved), recovers = recovers == '1'}
end

local function keep_health(name, it)
  local value = string.format('%d %d %d', it.score, it.saved, it.recovers and 1 or 0)
  redis.call('SET', name, value, 'PX', SCORE_KEEP_MS)
end

-- Returns the score that is left.
local function lower_score(name, by)
  local it = unpack_health(redis.call('GET', name))
  it.score = math.max(0, it.score - by)
  it.recovers = it.recovers or it.score < ILL
  keep_health(name, it)
  return it.score
end

-- A call succeeded. `well`: {health: [names], forgets: the redis keys of the provider's falls and checks in vain, by: points}.
local function raise_scores(well)
  local values = redis.call('MGET', unpack(well.health))
  for i, name in ipairs(well.health) do
    if values[i] then
      local it = unpack_health(values[i])
      it.score = it.score + well.by
      it.recovers = it.recovers and it.score < WELL_AGAIN
      if it.score >= HEALTHY then
        redis.call('DEL', name)
      else
        keep_health(name, it)
      end
    end
  end
  if values[1] then
    redis.call('DEL', unpack(well.forgets))
  end
end

-- Whether the next call may go to who has this health: {name, it} to be given to `note_admission` with the call, or true if it is well; else
-- nil, and a part of a call is saved up for it.
local function admitted(name, value)
  if not value then
    return true
  end
  local it = unpack_health(value)
  if not it.recovers then
    return true
  end
  it.saved = it.saved + math.max(ILL, it.score)
  if it.saved < WHOLE_CALL then
    keep_health(name, it)
    return nil
  end
  it.saved = it.saved - WHOLE_CALL
  return {name = name, it = it}
end

local function note_admission(admission)
  if admission ~= true then
    keep_health(admission.name, admission.it)
  end
end
