"""One attempt at a provider: the HTTP call, what its answer or refusal means, and what it told about its limits."""
