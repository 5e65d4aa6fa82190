"""What Prometheus is told: by every worker of its own work, and by beat of the whole pool.

tally         sums and histograms, as cheap as a dictionary
instruments   those of a worker, and where its jobs tell them of calls, leases and ends
figures       the whole pool at one moment, read from Redis
exposition    both in Prometheus's words
endpoint      the page that Prometheus reads

No label has a value that callers may choose: providers, models, agents and budgets are the configured ones, queues, states and
priorities a few. No job id, no key, no prompt.
"""
