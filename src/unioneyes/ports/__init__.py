"""What a runbook may ask of the outside world: Protocols, value types, and `Environment`, the frozen set of them.

One contract suite per port (`tests/contract`) runs on every adapter that claims to be one.
"""
