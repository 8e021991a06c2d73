"""Heliograph: an event-driven image pipeline. See docs/architecture.md for the way of a job."""

import gc

__version__ = "0.1.0"

# A start makes two hundred thousand objects, and they stay: to search them for garbage takes a tenth of it. When all is
# made, searching begins (`instrumented` of monitoring/logging.py).
gc.set_threshold(1_000_000)
