"""Recovery to the second, with PostgreSQL's own programs: `pg_basebackup`, `pg_receivewal`, `pg_waldump`, `pg_combinebackup`.

`positions.py`, `reach.py` and `retention.py` are pure: where a position of the log stands, how far the log leads without a hole, and what nobody needs any
more. `archive.py`, `bases.py`, `waldump.py`, `scratch.py` and `export.py` do the work, and `recovery.py` puts them together behind the port `Recovery`.
"""
