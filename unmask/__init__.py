"""The command line and the all-in-one runner; the only place that sees all three services."""
