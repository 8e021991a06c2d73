"""Money: what is reserved and spent per tenant, key and period, and what is left.

The ledger's entries are written in the transaction of the job they belong to; see `jobs/adapters/dynamodb.py`.
"""
