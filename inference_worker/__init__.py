"""The inference worker: batches of frames through a detector."""

import sys

# OpenVINO tells Google Analytics of each import, unasked, from a child process that it ends by
# SIGTERM where there is no network. Without this package it tells nobody (seen with 2026.4.1).
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # "not there", says importlib
