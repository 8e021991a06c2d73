"""Ways in: uploads and API requests are validated, priced and become jobs, or are refused and cost nothing."""
