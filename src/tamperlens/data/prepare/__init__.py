"""Clips -> crops, masks and their table, resumable: `run.prepare` does it, the files beside it are its steps."""
