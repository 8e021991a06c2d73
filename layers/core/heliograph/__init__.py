"""Heliograph: an event-driven image pipeline. See docs/architecture.md for the way of a job."""

import gc

__version__ = "0.1.0"

# A start makes a hundred thousand objects, and they stay. To search them for garbage every 700 takes a tenth of it.
gc.set_threshold(100_000, 20, 100)
