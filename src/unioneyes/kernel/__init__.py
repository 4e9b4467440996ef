"""What every layer shares: problems, settings, units, clock, ids, redaction, status words.

Imports nothing else of the product.
"""
