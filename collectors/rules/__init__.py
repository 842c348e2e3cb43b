"""Rules of the user's for what happens to rows between parsing and shipping: enrich, redact, drop, sample."""
