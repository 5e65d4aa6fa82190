"""The workers of Model Pool."""
