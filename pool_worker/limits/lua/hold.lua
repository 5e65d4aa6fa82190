-- Purpose: leave a scope alone until a time. A hold is only ever extended.
-- KEYS[1] hold (string "until_ms reason")
-- ARGV[1] until_ms or ''  ARGV[2] ttl_ms, where until_ms is ''  ARGV[3] reason  ARGV[4] now_ms or ''
-- Returns: the time in ms until which the scope is held now
-- include holds.lua
local now = clock(ARGV[4])
local until_ms = ARGV[1] ~= '' and tonumber(ARGV[1]) or now + tonumber(ARGV[2])
return extend_hold(KEYS[1], until_ms, ARGV[3], now)
