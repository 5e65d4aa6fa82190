-- Purpose: reserve one call on the first candidate, in route order, that is free: all of its windows, its budgets and a
--   slot in flight, or nothing at all. Idempotent by lease id.
-- KEYS[1] lease (hash)  KEYS[2] open leases (sorted set)
-- KEYS[3..] five for each candidate: pool:ready:*, pool:hold:* of its provider and of its model, pool:ready:*:nobody, pool:health:* of its
--   provider (strings)
--   The others are named by the script, which picks them: pool:ready:*:* (sorted sets), pool:key:* (hash), pool:hold:* and pool:health:* (string),
--   pool:in_flight:* (sorted set), pool:window:* (by kind), pool:budget:*:* (string). One Redis node, or one slot.
-- ARGV[1] JSON of the call: {lease_id, job_id, ttl_ms, keep_ms, guard_ms, amounts: [[n by unit, see UNITS] by candidate],
--   served: [whether, by candidate], budgets: [window], key_budget: window or nil, calendars: {name: [[start, end], ..]}, facts, key_hold, key_health (prefixes), spending_known (redis key),
--   line: {due, record, lane, priority} (see broker/line.lua), or nil: it asks whoever else waits}
-- ARGV[2..n-1] JSON of one candidate each (see candidates.py)  ARGV[n] now_ms or ''
-- Returns: {'lease', model id, key id, group, acquired ms, deadline ms, job id, how full in percent the fullest window of a day or
--     longer is with this job, which one it is, 1 if its provider or key is not wholly well, else 0, left alone}, which is of each
--     candidate before it that is left alone: [index, until ms, or 0 if it recovers]
--   {'elsewhere', index of the candidate from 0, key id} · {'exhausted', ms or '', who, what, [indexes too large],
--     [{ms or '', who, what} of each candidate], left alone}
--   {'line', now_ms}: others wait for the same, and come first · {'unenrolled', provider} · {'clock', now_ms}: the calendars do not contain now · {'ended', state}: the lease is over
-- include reserve.lua
-- include nobody.lua
-- include broker/line.lua

local now, fraction = clock(ARGV[#ARGV])
local call = cjson.decode(ARGV[1])

local known = redis.call('HMGET', KEYS[1], 'state', 'model_id', 'key_id', 'group', 'acquired_ms', 'deadline_ms', 'job_id')
if known[1] == 'open' then
  return {'lease', known[2], known[3], known[4], tonumber(known[5]), tonumber(known[6]), known[7], 0, '', 0, {}}
elseif known[1] then
  return {'ended', known[1]}
end
if call.line and must_join(call.line.due, call.line.record, call.line.lane, call.line.priority) then
  return {'line', now}
end
local ask = {
  call = call, now = now, fraction = fraction, time = {now = now, guard_ms = call.guard_ms, calendars = call.calendars},
  lease = {id = call.lease_id, deadline_ms = now + call.ttl_ms},
  looks_left = LOOKS, soonest = {at = NEVER, who = '', what = ''}, left_alone = {},
}
if not calendars_hold(ask.time) then
  return {'clock', now}
end

-- The budgets that pay for a call on the candidate: those of its job, and the model's own; none if it costs nothing.
local function money_of(c)
  if c.cost <= 0 or #call.budgets == 0 and not c.budget then
    return {}
  end
  local money = {unpack(call.budgets)}
  money[#money + 1] = c.budget
  return money
end

-- Redis was emptied: what was spent is read from the ledger first (see raise_spent.lua).
local is_known
local function is_spending_known()
  if is_known == nil then
    is_known = redis.call('EXISTS', call.spending_known) == 1
  end
  return is_known
end

local function budgets_free(c)
  local at, who, what = now, '', ''
  if #c.money > 0 and not is_spending_known() then
    note_obstacle(ask, c, now + SOON_MS, c.money[1].scope, 'what was spent is being read from the ledger')
    return false
  end
  for _, w in ipairs(c.money) do
    bind(w, {group = ''}, {now = now, guard_ms = 0, calendars = call.calendars})
    w.periods = {w.periods[now < w.periods[1][2] and 1 or 2]}
    local free = free_at(w, c.cost, now)
    if is_refused(free, now) and w.lasting then
      free = NEVER
    elseif is_refused(free, now) then
      fixed.note_refused(w, c.cost, now)
    end
    if free > at then
      at, who, what = free, w.scope, w.what
    end
  end
  if at == NEVER then
    c.too_large, c.first.who = true, who
    c.first.what = string.format('%s; it may need up to %.4f USD', what, c.cost / 1000000)
  elseif at > now then
    note_obstacle(ask, c, at, who, what)
  end
  return at <= now
end

local function too_large(c)
  for _, w in ipairs(c.windows) do
    if w.limit and not w.own and math.max(amount_for(w, c), 1) > w.limit * grains_of(w.unit) then
      return true
    end
  end
  return false
end

-- A free key of the candidate, of the best priority that has one; or nil, with an answer that ends the call.
local function find(c, priorities, provider_hold, model_hold, nobody, health)
  if not priorities then
    return nil, {'unenrolled', c.provider}
  end
  c.too_large = too_large(c)
  if c.too_large then
    return nil
  end
  local held_until, reason = hold_end({provider_hold, model_hold})
  if held_until > now then
    note_obstacle(ask, c, held_until, c.model_id, reason)
    ask.left_alone[#ask.left_alone + 1] = {c.index, held_until}
    return nil
  end
  if not budgets_free(c) then
    return nil
  end
  c.is_well = not health
  c.admission = admitted(c.health, health)
  if not c.admission then
    note_obstacle(ask, c, now + SOON_MS, c.provider, RECOVERING)
    ask.left_alone[#ask.left_alone + 1] = {c.index, 0}
    return nil
  end
  local nobody_at, who, what = nobody_until(nobody, c.amounts, now)
  if nobody_at then
    note_obstacle(ask, c, nobody_at, who, what)
    return nil
  end
  for priority in string.gmatch(priorities, '%S+') do
    local look = walk(ask, c, c.ready .. ':' .. priority)
    if c.unenrolled then
      return nil, {'unenrolled', c.provider}
    elseif look then
      return look
    end
  end
  if c.is_whole then
    c.too_large = c.first.at == NEVER and next(c.seen) ~= nil
    note_nobody(c.ready, c.amounts, c.first.at, c.first.who, c.first.what, now)
  end
  return nil
end

local facts = #KEYS > 2 and redis.call('MGET', unpack(KEYS, 3)) or {}
local never_fits, firsts = {}, {}
for i = 2, #ARGV - 1 do
  local c = cjson.decode(ARGV[i])
  c.index, c.amounts = i - 2, call.amounts[i - 1]
  c.cost = c.amounts[UNITS.usd]
  c.money = money_of(c)
  c.windows[#c.windows + 1] = #c.money > 0 and call.key_budget or nil
  c.health = KEYS[5 * i - 3]
  c.seen, c.first, c.is_whole = {}, {at = NEVER, who = '', what = ''}, true
  local look, answer = find(c, unpack(facts, 5 * i - 9, 5 * i - 5))
  if answer then
    return answer
  elseif look and call.served[i - 1] then
    return reserve(ask, c, look, KEYS[1], KEYS[2])
  elseif look then
    return {'elsewhere', c.index, look.key}
  end
  if c.too_large then
    never_fits[#never_fits + 1] = c.index
  end
  firsts[#firsts + 1] = {c.first.at < NEVER and c.first.at or '', c.first.who, c.first.what}
end
local soonest = ask.soonest
return {'exhausted', soonest.at < NEVER and soonest.at or '', soonest.who, soonest.what, never_fits, firsts, ask.left_alone}
