"""Traffic and the edge by Envoy, configured by files.

`EnvoyTraffic` and `EnvoyEdge` are the ports. `config` and `edge_config` say, as pure functions, what stands in the files; `counters` reads what Envoy
counted; `admin` talks to its private socket; `confirming` waits for its word; `files` replaces a file at once; `program` finds the binary. The routes file is
the durable state: an Envoy that restarts serves the right colour without anybody's help. Why so, with figures: docs/decisions, "embedded stack".
"""
