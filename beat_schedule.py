"""What beat runs, and how often."""
