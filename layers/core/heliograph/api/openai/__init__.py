"""The API in OpenAI's shape: its calls, its responses, and every error in its form."""

GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"
MODELS = "/v1/models"
