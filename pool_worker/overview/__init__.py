"""What quotas and money look like at one moment: who is left alone, how full windows are, what can still be called. Read only.

keys, holds   read from Redis: the enrolled keys with their windows, and who is left alone
queues        how many jobs wait in each
standing      made of keys and holds: which key can be called on which model, and why not
capacity      made of that: how many requests and tokens that is
spending      today's money and its forecast, read from the ledger
"""
