"""Execution of a job: dispatch, poll, receive callbacks, finalize, recover, sweep.

Guarantees at most one charged task per job, and that every charged image is stored or its loss reported.
"""
