"""Shared access to AWS, HTTP, secrets and the clock. With the packages' `adapters`, the only importers of SDKs."""
