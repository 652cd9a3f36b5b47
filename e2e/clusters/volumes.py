"""A default StorageClass that binds claims, by a provisioner beside the cluster."""

from clusters import binaries, endpoints
from clusters.layouts import Layout

TOOL = "local-path-provisioner"


def start(layout: Layout) -> None:
    """Start the provisioner, which finds its settings in the cluster."""
    endpoints.apply(layout, layout.config("storage.yaml").read_text())
    # A process of the machine and not a Pod: its own image could not be pulled everywhere.
    layout.processes.start(
        *(TOOL, binaries.tool(TOOL), "start"),
        *(f"--kubeconfig={layout.kubeconfig()}", "--helper-image=localhost/busybox:1"),
    )
