"""Database operations: what the operated database does now, and what to do when it does too much; how it is migrated.

Source: "Database Operations"; "Production Deployment Steps", 2. `sessions.py` says which sessions may be ended and why each other stays, `end_idle.py` and
`end_session.py` are the two flows, `blocking.py` says who waits for whom, `status.py` what is wrong. What only reads asks the ports themselves.
`migrating.py` is the flow of migrations without a deployment, `migrating_rules.py` says what of them may be done, `migrating_steps.py` has its side effects.
`backups` makes, proves, keeps and restores backups; `recovery` copies the server's files, and recovers from them and the log to the second.
"""
