"""UnionEyes production operations."""
