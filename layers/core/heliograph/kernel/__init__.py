"""Values and rules that every package may use: errors, ids, money, media types, pagination, tenants, texts.

Pure: the standard library and pydantic only; no clock, no environment, no logger.
"""
