"""Traffic by Envoy, configured by files.

`EnvoyTraffic` is the port. `config` says, as pure functions, what stands in the files; `counters` reads what Envoy counted; `admin` talks to its private
socket; `files` replaces a file at once; `program` finds the binary. The routes file is the durable state: an Envoy that restarts serves the right colour
without anybody's help. Why so, with figures: docs/decisions, "embedded stack".
"""
