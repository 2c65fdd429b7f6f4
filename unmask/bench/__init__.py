"""Benchmarks that a user can run: real servers, real processes, figures as JSON."""
