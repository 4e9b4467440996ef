"""Base backups and the log that Barman keeps: asked through its own command, which is a separate program (GPL) and never imported.

`documents.py` reads what it prints as JSON, `program.py` runs it, `log.py` is the log that it received, `catalogue.py` its base backups. What Barman does by
itself is left to it: receiving the log, archiving it, and removing what its retention policy needs no more, all of which its own `barman cron` does.
"""
