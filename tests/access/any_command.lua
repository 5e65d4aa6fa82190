-- Purpose: what somebody would try who may run scripts: any command.
-- KEYS: none
-- ARGV: the command and its arguments
-- Returns: its answer
return redis.call(unpack(ARGV))
