"""The sealed audit log: who did what, when, why and with which approval, in a Merkle tree whose signed heads stand outside the database.

Pure but for `log` and `sequencer`: what verifies needs no server and no database. See `docs/decisions/0019-the-audit-log-is-a-merkle-tree.md`.
"""
