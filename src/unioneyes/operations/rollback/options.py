"""Which ways back are open now, as probed, not as guessed."""

from __future__ import annotations

from unioneyes.kernel.problems import Problem
from unioneyes.operations.rollback.model import RollbackOption
from unioneyes.operations.rollback.rules import NoWay, way_back
from unioneyes.ports.environment import Environment


def rollback_options(env: Environment) -> tuple[RollbackOption, ...]:
    """Return the options of the document that this environment knows, with what speaks for and against each."""
    return (_option_a(env),)


def _option_a(env: Environment) -> RollbackOption:
    title = "Blue-green: send the traffic back"
    found = way_back(env.traffic.view().weights, env.replicas.all())
    if isinstance(found, NoWay):
        return RollbackOption(option="A", title=title, possible=False, why=found.why, takes=None, data_lost="none")
    try:
        routes, probe = env.traffic.rehearse_shift(), env.service.probe(found.colour)
    except Problem as problem:
        return RollbackOption(option="A", title=title, possible=False, why=problem.what, takes=None, data_lost="none")
    if not probe.ok:
        why = f"{found.colour} is warm, but its last probe failed ({probe.status or 'no answer'})"
        return RollbackOption(option="A", title=title, possible=False, why=why, takes=None, data_lost="none")
    why = f"{found.version} is warm on {found.colour}: {len(found.replicas)} replicas ready"
    return RollbackOption(option="A", title=title, possible=True, why=why, takes=routes + probe.took, data_lost="none")
