"""Rejected uploads and recent calls in Amazon DynamoDB."""
