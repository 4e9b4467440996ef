"""The overlays of `k8s/`, in the namespace that was lent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from tests.kubernetes.cluster.lent import Lent
from tests.manifests import K8S, ROOT


@contextmanager
def in_namespace(namespace: str, overlay: str, *components: str, **more: JsonValue) -> Iterator[Path]:
    """Give an overlay over `overlay` that puts everything in `namespace`, with these components; `more` stands in its kustomization too.

    It stands in the work tree, because Kustomize takes relative paths only.
    """
    parent = ROOT / ".cache/overlays"
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent) as folder:
        back = "../" * len(Path(folder).relative_to(ROOT).parts)
        said = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": namespace,
            "resources": [f"{back}{K8S.name}/overlays/{overlay}"],
            "components": [f"{back}{K8S.name}/components/{component}" for component in components],
            **more,
        }
        (Path(folder) / "kustomization.yaml").write_text(json.dumps(said))
        yield Path(folder)


def apply(lent: Lent, overlay: str, *words: str, **more: JsonValue) -> str:
    """The overlay is in force in the namespace that was lent; return what kubectl said. Raises: KubectlFailed."""
    with in_namespace(lent.namespace, overlay, **more) as folder:
        return lent.kubectl("apply", f"--kustomize={folder}", *(words or ("--server-side",)), within=120)
