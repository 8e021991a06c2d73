"""What a function needs around its use case: settings, triggers, responses, observability, wiring."""
