"""The engine: runbooks as a plan that only reads and a run that does what the plan says.

Durable (DBOS underneath, imported nowhere else), journalled, locked per service, taken over when a worker dies, undone when it fails.
"""
