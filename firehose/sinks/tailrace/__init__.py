"""Another Tailrace: rows as they are, to its gateway."""
