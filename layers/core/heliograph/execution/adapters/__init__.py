"""Adapters of AWS Step Functions' task tokens, and of the trial of links."""
