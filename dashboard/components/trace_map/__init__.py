"""The trace map: services as rings, calls as arrows."""
