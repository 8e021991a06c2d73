"""The composition root: makes each use case with its adapters. No other package imports both.

Each maker takes settings and returns one use case. A Lambda function reads its settings and calls its makers once, at
start, so that a wrong deployment fails before any work. Makers import what they put together; these modules import
none of it, so a function loads only the use cases that it runs (tests/contract/test_cold_imports.py).

Pydantic models are built when they are first used (`defer_build`), because a function uses one in ten of those that it
imports; models that every call needs are built here, at start.
"""
