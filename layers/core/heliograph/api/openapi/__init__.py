"""The API's description: a table of operations, and what is made of it: an OpenAPI document, samples, a page."""
