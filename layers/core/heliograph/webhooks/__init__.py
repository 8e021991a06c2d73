"""Webhooks: endpoints and their secrets, fan-out of events, signed deliveries with retries.

Guarantees at-least-once delivery until the last retry, never to addresses inside the deployment's network.
"""
