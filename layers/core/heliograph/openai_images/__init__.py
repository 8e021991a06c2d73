"""The OpenAI-compatible image API: parameters, sizes, model aliases, and links to results."""
