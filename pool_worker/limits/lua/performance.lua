-- How calls of a model ended: for each model two generations of cells, of at most 100 calls and an hour each (see performance.py).
--
-- Redis key: hash model id -> when this generation began (s, 8 hex digits), its cells, those of the one before.
-- A cell is one character, whose code is its count: calls, failures, then answers by latency (quarters of octaves of ms).
local CELLS = 90
local CALLS_OF_A_GENERATION, SECONDS_OF_A_GENERATION = 100, 3600

-- What is kept, at the beginning of a new generation, after these cells (nil: none).
local function new_generation(now_s, before)
  return string.format('%08x', now_s) .. string.rep('\0', CELLS) .. (before or string.rep('\0', CELLS))
end

-- One call of a model more, in its cell (1: failures).
local function note_call(name, model, cell, now_ms)
  local now_s = math.floor(now_ms / 1000)
  local kept = redis.call('HGET', name, model)
  local age_s = kept and #kept == 8 + 2 * CELLS and now_s - tonumber(string.sub(kept, 1, 8), 16) or math.huge
  if age_s >= 2 * SECONDS_OF_A_GENERATION then
    kept = new_generation(now_s)
  elseif age_s >= SECONDS_OF_A_GENERATION or string.byte(kept, 9) >= CALLS_OF_A_GENERATION then
    kept = new_generation(now_s, string.sub(kept, 9, 8 + CELLS))
  end
  local calls, count = string.byte(kept, 9), string.byte(kept, 9 + cell)
  redis.call('HSET', name, model, string.sub(kept, 1, 8) .. string.char(calls + 1) .. string.sub(kept, 10, 8 + cell)
    .. string.char(count + 1) .. string.sub(kept, 10 + cell))
end
