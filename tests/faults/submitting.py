"""A program that submits many jobs and may be killed meanwhile: `python -m submitting REDIS_URL COUNT` prints their ids."""

from __future__ import annotations

import json
import sys

from pool_client import Pool


def main() -> None:
    url, count = sys.argv[1], int(sys.argv[2])
    with Pool(agent="log_analyzer", redis_url=url) as pool:
        lines = [
            {"prompt": f"line {number}: what does it tell?", "idempotency_key": f"line {number}", "max_tokens": 60}
            for number in range(count)
        ]
        jobs = pool.submit_many(lines, batch="lines")
        print(json.dumps([job.id for job in jobs]), flush=True)  # noqa: T201 - this is how


if __name__ == "__main__":
    main()
