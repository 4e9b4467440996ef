"""The embedded stack: PostgreSQL with a replica, Envoy, the service's replicas, the vendors' simulators and our server on one machine.

`lifecycle` starts and ends it, `stack` says of which processes it consists, `compose` builds the ports that the runbooks see.
"""
