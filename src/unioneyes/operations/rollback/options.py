"""Which ways back are open now, as probed, not as guessed."""

from __future__ import annotations

from unioneyes.kernel.problems import Problem
from unioneyes.operations.rollback.model import RollbackOption
from unioneyes.ports.environment import Environment


def rollback_options(env: Environment) -> tuple[RollbackOption, ...]:
    """Return the options of the document that this environment knows, with what speaks for and against each."""
    return (_option_a(env),)


def _option_a(env: Environment) -> RollbackOption:
    title = "Blue-green: send the traffic back"
    live = env.traffic.view().weights.live
    if live is None:
        return RollbackOption(option="A", title=title, possible=False, why="nothing serves", takes=None, data_lost="none")
    warm = [replica for replica in env.replicas.all() if replica.colour is live.other and replica.ready]
    if not warm:
        why = f"{live.other} has no ready replica; the previous release is kept warm until a deployment's watch ends"
        return RollbackOption(option="A", title=title, possible=False, why=why, takes=None, data_lost="none")
    try:
        routes, probe = env.traffic.rehearse_shift(), env.service.probe(live.other)
    except Problem as problem:
        return RollbackOption(option="A", title=title, possible=False, why=problem.what, takes=None, data_lost="none")
    if not probe.ok:
        why = f"{live.other} is warm, but its last probe failed ({probe.status or 'no answer'})"
        return RollbackOption(option="A", title=title, possible=False, why=why, takes=None, data_lost="none")
    why = f"{warm[0].version} is warm on {live.other}: {len(warm)} replicas ready"
    return RollbackOption(option="A", title=title, possible=True, why=why, takes=routes + probe.took, data_lost="none")
