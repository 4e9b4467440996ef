"""The members are back on the release that served them well, in seconds.

Source: "Rollback Procedures", option A, and "Post-Rollback Actions": stakeholders told, incident report written, post-mortem due within 24 hours, the
deployment's status `FAILED - ROLLED BACK`. Promise: less than five minutes; a rollback is never held up by a deployment, a freeze or a chat that is down.
"""
