"""Traffic by the Gateway API, with Envoy Gateway.

`GatewayTraffic` (in `traffic`) is the port. `routes` says, as pure functions, what stands in the HTTPRoutes; `running` and `counters` read what the proxies
say of themselves; `proxies` asks them, `filed` writes, `readiness` looks whether a colour can be led to, and whether it is left alone. Why so, with figures:
docs/decisions, "traffic by routes".
"""
