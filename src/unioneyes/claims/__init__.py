"""The service that is operated: a small, real, multi-tenant claims service (FastAPI, psycopg, row level security).

Start a replica with `python -m unioneyes.claims.serve`, run its end-to-end flows with `python -m unioneyes.claims.smoke`.
`releases` is the catalogue of its versions, honest ones and ones with a fault.
"""
