"""Security incidents at the edge: how much each client's address may ask, and who is kept out, under attack and afterwards.

Source: "Security Incident Response", "Block attacker IP" and "DDoS Attack". `limit.py` and `deny.py` are the two flows, `rules.py` says what is meant,
`steps.py` has their side effects. That somebody looks asks the port itself.
"""
