"""Jobs: their record and life cycle, requests, results, events, timeline, listing.

Guarantees one terminal state per job, and that a job's money moves in the same transaction as the job.
"""
