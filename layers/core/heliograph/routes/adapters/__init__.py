"""Route states in Amazon DynamoDB."""
