"""What callers of Model Pool install: submit completion jobs and get their results."""
