"""Where rows go: one module a destination."""
