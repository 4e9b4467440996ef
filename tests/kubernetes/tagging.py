"""`python -m tests.kubernetes.tagging REGISTRY NAME TAG...`: the cluster's base image, under another name and tags, each with a digest of its own.

A program of its own: a test's process may ask nobody but this machine. Source: OCI Distribution Specification 1.1, "Mounting a blob", "Pushing Manifests".
"""

from __future__ import annotations

import json
import sys

import httpx

KIND = "application/vnd.oci.image.manifest.v1+json"
BASE = "base"


def main(registry: str, name: str, *tags: str) -> None:
    """Each of the tags is an image of the repository in the registry, which is asked by HTTP."""
    with httpx.Client(base_url=f"http://{registry}/v2/", timeout=30, trust_env=False, headers={"Accept": KIND}) as client:
        manifest = client.get(f"{BASE}/manifests/latest").raise_for_status().json()
        for blob in (manifest["config"], *manifest["layers"]):
            client.post(f"{name}/blobs/uploads/", params={"mount": blob["digest"], "from": BASE}).raise_for_status()
        for tag in tags:
            said = {**manifest, "annotations": {"org.opencontainers.image.version": tag}}
            client.put(f"{name}/manifests/{tag}", content=json.dumps(said), headers={"Content-Type": KIND}).raise_for_status()


if __name__ == "__main__":
    main(*sys.argv[1:])
