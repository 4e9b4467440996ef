"""Long-running processes on one machine, kept running: what a kubelet is on a node, for a machine without one.

`supervisor` is the daemon, `client` speaks to it, `spec` is what both know; none of them knows what the processes are for. `replicas` builds the port
`Replicas` on top, and `logs` reads what the processes wrote.
"""
