"""The ledger in Amazon DynamoDB."""
