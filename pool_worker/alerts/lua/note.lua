-- Purpose: note what became of alerts that were sent, with the rows that say so in the ledger.
-- KEYS[1]  progress  pool:alerts:progress, hash
-- KEYS[2]  outbox    pool:outbox, stream
-- ARGV[1…] field, what it is from now, kind, id, data of the row, field, …
-- Returns: number of fields
for i = 1, #ARGV, 5 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('XADD', KEYS[2], '*', 'kind', ARGV[i + 2], 'id', ARGV[i + 3], 'data', ARGV[i + 4])
end
return #ARGV / 5
