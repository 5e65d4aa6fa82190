"""Limits: which call may be made now, on which key, and what it leaves for others.

::

    enroll   the registry's keys → ready indexes            acquire  one call on the first free candidate → Lease, …
    settle   what was really used; refund: nothing was       find_lapsed, expire   leases that nobody ended
    hold     leave somebody alone for a while
    usage_now, spent_now   how full windows and budgets are

Everything that decides is in `lua/`, one script per operation, atomic on Redis.
"""
