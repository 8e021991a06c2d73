"""The work on a job: dispatch, poll, callbacks, finalize, recover.

Guarantees at most one charged task per job, and that every charged image is stored or its loss reported.
"""
