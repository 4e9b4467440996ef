"""What served members so far, kept in a ConfigMap of the cluster; and the configurations, each in one that is named after its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap
from pydantic import JsonValue, TypeAdapter

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.fencing import ensure, write
from unioneyes.ports.replicas import Revision

_KEPT = 20
_KEY = "revisions.json"
_SETTINGS_OF = "unioneyes.app/settings-of"
"""The label of a ConfigMap with a configuration."""
_YOUNG = timedelta(hours=1)
"""A configuration that nothing uses stays for so long: it may be just about to be used."""
_HASHED = 10
"""Characters of the content's hash in the name."""
_History = TypeAdapter(list[Revision])


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """Those of one service."""

    cluster: Cluster
    family: str
    """The service's name, with which the names of the ConfigMaps begin."""

    def history(self) -> list[Revision]:
        """Return what served, oldest first."""
        found = self.cluster.find(ConfigMap, self._name)
        return _read(found) if found else []

    def record(self, *, version: str, replicas: int, configuration: Mapping[str, str], at: datetime, bad_before: bool) -> None:
        """It is the newest revision; with `bad_before`, the one before it was bad. Safe to repeat. Raises: FencedOff."""

        def say(there: ConfigMap) -> Mapping[str, JsonValue]:
            history = recorded(_read(there), version=version, replicas=replicas, configuration=configuration, at=at, bad_before=bad_before)
            return {"data": {_KEY: _History.dump_json(history[-_KEPT:], indent=1).decode()}}

        self._exists()
        write(self.cluster, ConfigMap, self._name, say)

    def pass_fence(self) -> None:
        """Nothing older than this thread's run passes any more. Raises: FencedOff."""
        self._exists()
        write(self.cluster, ConfigMap, self._name, lambda there: {"data": {_KEY: (there.data or {}).get(_KEY, "[]")}})

    def keep(self, configuration: Mapping[str, str]) -> str:
        """A ConfigMap holds the configuration, for good; return its name."""
        name = self.settings(configuration)
        ensure(self.cluster, ConfigMap(metadata=ObjectMeta(name=name, labels={_SETTINGS_OF: self.family}), data=dict(configuration), immutable=True))
        return name

    def settings(self, configuration: Mapping[str, str]) -> str:
        """Return the name of the ConfigMap for this configuration, wherever it is made."""
        content = json.dumps(dict(sorted(configuration.items())), separators=(",", ":"))
        return f"{self.family}-{hashlib.sha256(content.encode()).hexdigest()[:_HASHED]}"

    def configuration(self, name: str) -> dict[str, str]:
        """Return what the ConfigMap holds. Raises: ObjectMissing."""
        return dict(self.cluster.get(ConfigMap, name).data or {})

    def clear(self, used: Collection[str]) -> None:
        """The configurations that neither are `used` nor belong to a revision are gone, but for young ones."""
        kept = {*used, *(self.settings(revision.configuration) for revision in self.history())}
        for found in self.cluster.list(ConfigMap, labels={_SETTINGS_OF: self.family}):
            of = found.metadata or ObjectMeta()
            made = of.creationTimestamp or datetime.now(UTC)
            if of.name and of.name not in kept and datetime.now(UTC) - made > _YOUNG:
                self.cluster.delete(ConfigMap, of.name)

    @property
    def _name(self) -> str:
        return f"{self.family}-revisions"

    def _exists(self) -> None:
        ensure(self.cluster, ConfigMap(metadata=ObjectMeta(name=self._name), data={_KEY: "[]"}))


def recorded(history: list[Revision], *, version: str, replicas: int, configuration: Mapping[str, str], at: datetime, bad_before: bool) -> list[Revision]:
    """Return the history with this one as the newest: as it was, where it is that already."""
    last = history[-1] if history else None
    if last is not None and (last.version, last.replicas, last.configuration) == (version, replicas, dict(configuration)):
        return history
    before = [*history[:-1], replace(last, until=at, bad=last.bad or bad_before)] if last else []
    number = last.number + 1 if last else 1
    return [*before, Revision(number=number, version=version, replicas=replicas, configuration=dict(configuration), since=at, until=None, bad=False)]


def _read(found: ConfigMap) -> list[Revision]:
    return _History.validate_json((found.data or {}).get(_KEY) or "[]")
