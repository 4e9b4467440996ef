"""The members are back on the release, the schema or the data that served them well.

Source: "Rollback Procedures": option A (`runbook.py`, the traffic), B (`release.py`), C (`migration.py` and `restore.py`); the side effects of each stand in
`steps.py` and in the `..._steps.py` beside it. And "Post-Rollback Actions", the same for all of them (`afterwards.py`): stakeholders told, incident report
written, post-mortem due within 24 hours, the deployment's status `FAILED - ROLLED BACK`. Promise: less than five minutes; a rollback is never held up by a
deployment, a freeze or a chat that is down.
"""
