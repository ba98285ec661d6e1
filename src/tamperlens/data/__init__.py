"""Datasets and photos: read, checked, prepared into a store, read back; no model looks at them here."""
