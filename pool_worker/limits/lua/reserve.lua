-- Reserving a call on a key that was found free (`look`, see walk.lua): every window, the budgets, and the lease itself.
-- include walk.lua

-- An unused key counts as not used for so much longer than a wholly used one: the least used come first, then the least recently used.
local SPREAD_MS = 60000

local function reserve_window(ask, notes, w, amount)
  local note = kinds[w.kind].reserve(w, amount, ask.now, ask.lease)
  notes[#notes + 1] = pack_note(w, amount, note)
end

-- `record` and `index` are redis keys: the lease, and the open leases. Returns what acquire.lua answers.
local function reserve(ask, c, look, record, index)
  local call, now, lease = ask.call, ask.now, ask.lease
  local notes = {}
  for _, w in ipairs(c.windows) do
    if bind(w, look, ask.time) then
      reserve_window(ask, notes, w, amount_for(w, c))
    end
  end
  for _, w in ipairs(c.money) do
    reserve_window(ask, notes, w, c.cost)
  end
  note_admission(c.admission)
  note_admission(look.admission)
  redis.call('ZADD', c.ready .. ':' .. look.priority, 'XX', now + ask.fraction - (1 - look.share) * SPREAD_MS, look.key)
  redis.call('ZADD', index, lease.deadline_ms, lease.id)
  local reserved = cjson.encode({
    notes = notes, acquired_ms = now, model = c.model, ready = c.ready_prefix, models = c.models,
    group_keys = c.group_keys .. look.group, facts = call.facts,
  })
  redis.call(
    'HSET', record, 'state', 'open', 'model_id', c.model_id, 'key_id', look.key, 'group', look.group, 'job_id', call.job_id,
    'acquired_ms', now, 'deadline_ms', lease.deadline_ms, 'reserved', reserved
  )
  redis.call('PEXPIRE', record, call.ttl_ms + call.keep_ms)
  local percent = math.floor(100 * look.fullest.share)
  local is_news = c.is_well and look.is_well and 0 or 1
  return {
    'lease', c.model_id, look.key, look.group, now, lease.deadline_ms, call.job_id, percent, look.fullest.what, is_news, ask.left_alone,
  }
end
