"""The rule types: each takes the new hits of one key and what it remembers, and answers matches and what to remember."""
