"""The report of a conversion: its schema, its JSON, its HTML."""
