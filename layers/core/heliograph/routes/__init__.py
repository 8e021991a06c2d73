"""Routes to models: configuration and prices, circuit breakers, fair queues, poll schedules, an operator's switches."""
