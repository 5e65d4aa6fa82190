"""A stand-in for every provider on one port: the judge of limits in tests and benchmarks, a demo without keys, a rehearsal.

It counts with code of its own and shares none with `pool_worker.limits`.
"""
