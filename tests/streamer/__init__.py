"""Tests of the streamer, mirrored by path."""
