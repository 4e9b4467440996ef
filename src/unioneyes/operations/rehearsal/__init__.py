"""Drills: the document's promises, kept against its own clock.

A rehearsal runs the same runbooks as production, under load from a client outside that never retries, and its scorecard believes only what that client
and the journal measured. Source: the times in "Incident Response Workflow" (detection within 2 minutes) and "Rollback Steps (< 5 minutes)".
"""
