"""Tests of the worker, mirrored by path."""
