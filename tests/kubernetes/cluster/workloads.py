"""What runs pods on a node: containerd, the kubelet, and kube-proxy, with the configuration that each reads."""

from __future__ import annotations

import json

from tests.kubernetes.cluster.binaries import program
from tests.kubernetes.cluster.credentials import Credentials
from tests.kubernetes.cluster.layout import CLUSTER_CIDR, DNS_SERVICE, Addresses
from tests.kubernetes.cluster.network import PODS_BRIDGE
from tests.kubernetes.cluster.node import Node, Program

_SOCKET = "unix:///run/containerd/containerd.sock"


def containerd(node: Node, addresses: Addresses) -> Program:
    """Return the container runtime. It takes images from the cluster's registry alone, without TLS, and gives each pod an address of the node's network."""
    registry = node.folder / "registries" / addresses.registry
    registry.mkdir(parents=True)
    (registry / "hosts.toml").write_text(f'[host."http://{addresses.registry}"]\ncapabilities = ["pull", "resolve"]\n')
    networks = node.folder / "networks"
    networks.mkdir()
    (networks / "pods.conflist").write_text(json.dumps(_pod_network(addresses.pods(node.name)), indent=1))
    configuration = node.folder / "containerd.toml"
    left_out = [f"io.containerd.snapshotter.v1.{each}" for each in ("aufs", "btrfs", "devmapper", "zfs")]
    configuration.write_text(
        f"""version = 2
disabled_plugins = {json.dumps(left_out)}

[plugins."io.containerd.internal.v1.opt"]
path = "{node.folder / "opt"}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{addresses.registry}/pause"
restrict_oom_score_adj = true  # without CAP_SYS_RESOURCE, no sandbox would start

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{networks}"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{registry.parent}"
"""
    )
    return Program(name="containerd", command=("containerd", "--config", str(configuration), "--log-level", "warn"))


def kubelet(node: Node, addresses: Addresses, credentials: Credentials) -> Program:
    """Return the kubelet. It reports often, so that a dead node is noticed soon, and evicts nothing: the machine's disk and memory are not the cluster's."""
    serving = credentials.kubelet(node.name)
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": str(credentials.authority)}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "containerRuntimeEndpoint": _SOCKET,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.layout.group}/{node.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "enforceNodeAllocatable": [],
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": str(node.folder / "volume-plugins"),
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 6,
        "serializeImagePulls": False,
        "shutdownGracePeriod": "0s",
    }
    file = node.folder / "kubelet.json"
    file.write_text(json.dumps(configuration, indent=1))
    command = (
        str(program("kubelet")),
        f"--config={file}",
        f"--kubeconfig={credentials.kubeconfig(node.name)}",
        f"--hostname-override={node.name}",
        f"--node-ip={addresses.node(node.name)}",
    )
    return Program(name="kubelet", command=command)


def proxy(node: Node, credentials: Credentials) -> Program:
    """Return kube-proxy, which makes Services reachable on the node."""
    command = (
        str(program("kube-proxy")),
        f"--kubeconfig={credentials.kubeconfig('proxy')}",
        f"--hostname-override={node.name}",
        f"--cluster-cidr={CLUSTER_CIDR}",
        "--proxy-mode=nftables",
        "--conntrack-max-per-core=0",  # the machine's limit stays as it is
        "--oom-score-adj=0",
    )
    return Program(name="kube-proxy", command=command)


def _pod_network(subnet: str) -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": PODS_BRIDGE,
        "isDefaultGateway": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet}]]},
    }
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]}
