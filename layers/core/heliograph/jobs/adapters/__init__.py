"""Jobs and reusable results in Amazon DynamoDB; the job's workflow in AWS Step Functions."""
