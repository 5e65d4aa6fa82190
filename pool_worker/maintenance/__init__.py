"""What beat has done from time to time. Every function may run twice, late, or on several workers at once."""
