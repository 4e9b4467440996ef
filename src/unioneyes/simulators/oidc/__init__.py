"""An OpenID Connect provider, as far as the product speaks with one: it checks what it is asked, and lies when it is told to.

It signs anybody in as whoever they choose, so it stands on loopback only.
"""

from unioneyes.simulators.oidc.people import Client, Person
from unioneyes.simulators.oidc.provider import Provider, routes
from unioneyes.simulators.oidc.shapes import CLERK, Shape

__all__ = ["CLERK", "Client", "Person", "Provider", "Shape", "routes"]
