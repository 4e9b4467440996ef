"""The image registry of a cluster: it begins with the images that are built once, and takes what is pushed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.kubernetes.cluster.node import Program


def registry(configuration: Path, storage: Path, address: str, *, images: Path | None = None) -> Program:
    """Return the registry that keeps everything in the folder `storage`, which is made; it holds what the folder `images` does, from the start."""
    if images is None:
        storage.mkdir(parents=True)
    else:
        shutil.copytree(images, storage)
    document = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": address, "secret": "nobody else writes here"},
    }
    configuration.write_text(json.dumps(document, indent=1))
    return Program(name="registry", command=("docker-registry", "serve", str(configuration)), variables=("OTEL_TRACES_EXPORTER=none",))
