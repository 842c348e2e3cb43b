"""Standard output: a line of JSON a row."""
