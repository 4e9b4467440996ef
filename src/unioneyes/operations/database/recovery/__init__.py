"""Recovery to the second: base backups, and what they and the log bring back.

Source: "Backup and Restore", "Point-in-Time Recovery". `base.py` and `pitr.py` are the two flows, `rules.py` says what is meant by a target, `steps.py` has
their side effects. How the log is kept, and what would be lost with the primary, is asked of the port itself.
"""
