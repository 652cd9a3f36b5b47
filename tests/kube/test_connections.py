from pathlib import Path

import pytest

from buildstate.kube.connections import NoCluster, connect

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: here, cluster: {server: "http://cluster.example:1234"}}]
contexts: [{name: here, context: {cluster: here, user: me}}]
users: [{name: me, user: {token: secret}}]
"""


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the kubeconfig would be, outside of any Pod."""
    file = tmp_path / "config"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


async def test_without_a_cluster_it_is_said_what_was_looked_for(kubeconfig: Path) -> None:
    with pytest.raises(NoCluster, match=f"{kubeconfig} does not name one"):
        await connect()


async def test_the_kubeconfig_names_the_cluster(kubeconfig: Path) -> None:
    kubeconfig.write_text(KUBECONFIG)  # noqa: ASYNC240 - nobody waits for it
    connection = await connect()
    session = connection.session()
    assert "http://cluster.example:1234" == connection.server
    await session.close()
    await connection.close()
