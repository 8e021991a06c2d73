"""Task tokens of AWS Step Functions, and the trial of links."""
