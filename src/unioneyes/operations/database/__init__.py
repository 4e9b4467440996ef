"""Database operations: the operated database is looked at, migrated, backed up and recovered.

Source: "Database Operations"; "Production Deployment Steps", 2. `migrating.py` is the flow of migrations without a deployment, `migrating_rules.py` says
what of them may be done, `migrating_steps.py` has its side effects. `backups` makes, proves, keeps and restores
backups; `recovery` copies the server's files, and recovers from them and the log to the second.
"""
