"""A run and its trials as documents, for human review and for other tools."""
