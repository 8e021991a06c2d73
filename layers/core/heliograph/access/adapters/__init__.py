"""Keys, their counters and open waits in Amazon DynamoDB."""
