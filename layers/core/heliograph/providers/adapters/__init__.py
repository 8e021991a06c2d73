"""apimodels and kie over HTTP, and the hosts of their results."""
