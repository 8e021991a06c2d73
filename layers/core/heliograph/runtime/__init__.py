"""The composition root: settings per function, and the wiring of use cases to adapters."""
