"""The HTTP API: authorizer, calls, problem documents, representations, OpenAPI document, pages."""
