"""The only importers of boto3 and httpx: one module per outside thing."""
