"""Keys and certificates of one cluster, all from one authority of its own."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from clusters import commands

DAYS = "3650"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
# Without a configuration of our own openssl adds extensions of the distribution's choice.
CONFIGURATION = "[req]\ndistinguished_name = subject\n[subject]\n"


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a directory."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """What the others check against."""
        return self.directory / "ca.crt"

    @property
    def key(self) -> Path:
        """What it signs with."""
        return self.directory / "ca.key"

    @property
    def accounts_key(self) -> Path:
        """The key that signs the tokens of ServiceAccounts."""
        return self.directory / "accounts.key"

    @property
    def accounts_public_key(self) -> Path:
        """The key that those tokens are checked with."""
        return self.directory / "accounts.pub"

    def create(self) -> None:
        """Make the authority's own keys."""
        self.directory.mkdir(mode=0o700)
        (self.directory / "openssl.cnf").write_text(CONFIGURATION)
        extensions = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
        self._request("ca", "/CN=buildstate", extensions)
        curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        commands.run("openssl", "genpkey", *curve, "-out", self.accounts_key)
        public = ("-in", self.accounts_key, "-pubout", "-out", self.accounts_public_key)
        commands.run("openssl", "pkey", *public)

    def issue(self, name: str, subject: str, alternatives: str = "") -> tuple[Path, Path]:
        """The files of a new certificate and its key."""
        extensions = ["basicConstraints=critical,CA:FALSE"]
        if alternatives:
            extensions.append(f"subjectAltName={alternatives}")
        signed = ("-CA", str(self.certificate), "-CAkey", str(self.key))
        return self._request(name, subject, tuple(extensions), signed)

    def _request(
        self,
        name: str,
        subject: str,
        extensions: tuple[str, ...],
        signed: tuple[str, ...] = (),
    ) -> tuple[Path, Path]:
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        added = [part for extension in extensions for part in ("-addext", extension)]
        commands.run(
            *("openssl", "req", "-x509", *NEW_KEY, "-days", DAYS, "-subj", subject, *signed),
            *("-config", str(self.directory / "openssl.cnf"), *added),
            *("-keyout", key, "-out", certificate),
        )
        return certificate, key

    def kubeconfig(self, file: Path, server: str, user: str, group: str = "") -> Path:
        """A kubeconfig with everything in it, for a new certificate of that user."""
        subject = f"/O={group}/CN={user}" if group else f"/CN={user}"
        certificate, key = self.issue(file.stem, subject)
        secret = {"client-certificate-data": _data(certificate), "client-key-data": _data(key)}
        endpoint = {"server": server, "certificate-authority-data": _data(self.certificate)}
        context = {"cluster": "buildstate", "user": user}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "buildstate", "cluster": endpoint}],
            "users": [{"name": user, "user": secret}],
            "contexts": [{"name": "buildstate", "context": context}],
            "current-context": "buildstate",
        }
        file.touch(mode=0o600)
        # JSON is YAML, and needs no library.
        file.write_text(json.dumps(content, indent=1))
        return file


def _data(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
