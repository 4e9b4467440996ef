"""A release reaches its users, and a bad one goes back by itself.

Source: "Deployment Procedures": the pre-deployment checklist, the five production deployment steps, and the watch of ten minutes.
Promises: no request is lost in a switch; no traffic ever reaches a colour that did not pass its smoke tests; a migration is tried on a restored copy,
with the previous release running on it, before production sees it; a failure before the switch leaves everything as it was, one after it
sends the members back.
"""
