"""What is written about an inspected file, for people and for programs: record, pictures, annotated video, page, index."""
