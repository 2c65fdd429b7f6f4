"""The worker: face windows in, calibrated scores and alerts out."""
