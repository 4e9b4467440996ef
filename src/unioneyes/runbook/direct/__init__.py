"""Break-glass: a runbook carried out without the engine, while the control plane's database is gone, and brought into the audit log afterwards.

`journal` is the file that is written meanwhile, `run` carries out, `bringing_in` hands over to the engine. See `docs/decisions/0020-break-glass.md`.
"""
