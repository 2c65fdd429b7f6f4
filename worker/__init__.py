"""The worker: face windows in, calibrated scores and alerts out."""

import os

# OpenMP's threads spin while they wait. Beside a streamer and Redis on the same cores that wastes most of them: 8
# crops/s against 30, measured on two busy cores. It is read when torch is loaded, so it has to be said before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
