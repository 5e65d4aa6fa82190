-- How calls of a model ended: for each model two generations of cells, of at most 200 calls and an hour each (see performance.py).
--
-- Redis key: hash model id -> when this generation began (s, 8 hex digits), its cells, those of the one before (2 hex digits each).
-- Cells: calls, failures, then answers by latency (quarters of octaves of ms).
local CELLS = 90
local CALLS_OF_A_GENERATION, SECONDS_OF_A_GENERATION = 200, 3600

-- The cells with one more in one of them.
local function counted(cells, cell)
  local at = 2 * cell + 1
  local count = tonumber(string.sub(cells, at, at + 1), 16) + 1
  return string.sub(cells, 1, at - 1) .. string.format('%02x', count) .. string.sub(cells, at + 2)
end

-- One call of a model more, in its cell.
local function note_call(name, model, cell, now_ms)
  local now_s = math.floor(now_ms / 1000)
  local kept = redis.call('HGET', name, model) or ''
  local since_s, cells, before = now_s, nil, nil
  if #kept == 8 + 4 * CELLS then
    since_s, cells, before = tonumber(string.sub(kept, 1, 8), 16), string.sub(kept, 9, 8 + 2 * CELLS), string.sub(kept, 9 + 2 * CELLS)
    local age_s = now_s - since_s
    if age_s >= 2 * SECONDS_OF_A_GENERATION then
      since_s, cells, before = now_s, nil, nil
    elseif age_s >= SECONDS_OF_A_GENERATION or tonumber(string.sub(cells, 1, 2), 16) >= CALLS_OF_A_GENERATION then
      since_s, cells, before = now_s, nil, cells
    end
  end
  cells = counted(counted(cells or string.rep('00', CELLS), 0), cell)
  redis.call('HSET', name, model, string.format('%08x', since_s) .. cells .. (before or string.rep('00', CELLS)))
end
