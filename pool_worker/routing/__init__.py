"""Which models may answer a job, and in which order. Pure: facts in, a choice out."""
