"""`ue <noun> <verb>`: parse, call, print."""
