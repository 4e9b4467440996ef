"""The document's last page: the service's pods, looked at, restarted and made more or fewer without a lost request.

Source: "Appendix: Emergency Commands". `status.py` says how it stands, `restart.py` and `scale.py` are the two flows, `steps.py` has their side effects.
What only reads (pods, logs, a shell's way in) asks the port itself.
"""
