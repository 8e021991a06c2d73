"""Heliograph: an event-driven image pipeline. See docs/architecture.md for the way of a job."""

__version__ = "0.2.0"
