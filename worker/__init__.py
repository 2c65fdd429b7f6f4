"""The worker: face windows in, calibrated scores and alerts out."""

import os
import sys

# OpenMP's threads spin while they wait. Beside a streamer and Redis on the same cores that wastes most of them: 8
# crops/s against 30, measured on two busy cores. It is read when torch is loaded, so it has to be said before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# OpenVINO tells Google Analytics that it was imported, and what it converts, unless it finds this package missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
