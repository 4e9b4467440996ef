"""Database operations: what the database does now, and what to do when it does too much.

Source: "Database Operations". `sessions.py` says which sessions may be ended and why each other stays, `end_idle.py` and `end_session.py` are the two flows,
`blocking.py` says who waits for whom, `status.py` and `lag.py` what is wrong. What only reads asks the ports themselves.
"""
