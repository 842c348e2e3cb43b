"""What Tailrace is measured by; ``python -m benchmarks`` runs it and writes ``docs/performance.md``."""
