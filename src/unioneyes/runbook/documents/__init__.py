"""Your own runbooks: a Markdown document whose fenced `bash` and `sql` blocks are steps, with the same plan, gates, journal and lock as the built-in ones.

Reading, lint and planning are pure: bytes in, values out. A block runs by the ports `shell` and `queries` only, and only as the plan showed it.
"""
