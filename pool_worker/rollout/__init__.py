"""Changes of the registry while workers run: what a person disables, files that are read again, what callers are told of it."""
