"""A guest book: who was here, and what they wrote."""
