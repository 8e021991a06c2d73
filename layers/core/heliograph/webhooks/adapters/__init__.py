"""Endpoints and deliveries in Amazon DynamoDB, their workflow in AWS Step Functions, and the HTTP sender."""
