"""What the pages ask the database. Nothing here writes."""
