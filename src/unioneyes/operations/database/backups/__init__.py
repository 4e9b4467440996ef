"""Backups: made, proven, kept for as long as the policy says, and restored into a database of their own.

Source: "Database Operations", "Backup and Restore", and "Backup database" of a deployment. `create.py`, `verify.py`, `prune.py` and `restore.py` are the flows,
`retention.py` says which backups are kept and why, `rules.py` what is meant, and `steps.py` has their side effects. A backup over the live database is the
chapter of rollbacks: `rollback.restore`.
"""
