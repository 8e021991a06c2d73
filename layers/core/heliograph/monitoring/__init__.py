"""Logs, traces, metrics, and the health of the deployment."""
