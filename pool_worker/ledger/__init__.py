"""The books: what was asked, tried, answered and paid, in SQL, written outside the hot path."""
