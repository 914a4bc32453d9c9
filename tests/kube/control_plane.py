"""A real Kubernetes control plane for tests: etcd and kube-apiserver, and on demand kube-controller-manager.

The programs come from the folder that KUBEBUILDER_ASSETS names, as with envtest. All files are in one folder in
memory, all ports on loopback and kept while a server is away, so that it comes back where it was. RBAC is on. There
is no kubelet and no scheduler: `kubelet.py` plays them.

    async with ControlPlane(assets) as plane:
        async with plane.client() as client: ...
"""

import asyncio
import base64
import contextlib
import json
import secrets
import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

import httpx
from lightkube import AsyncClient, KubeConfig

from tests.e2e.replicas import kept_port
from tests.fakes.authority import Authority
from tests.fakes.changes import BOUND_S
from tests.kube.audit import POLICY, AuditLog
from tests.kube.daemon import Daemon

START_BOUND_S = 50.0
"""It takes about 4 s of a core's time, and the tests may not be alone on the machine."""
ISSUER = "https://kubernetes.default.svc"
# what needs a controller that is not there would only stand in the way of pods
NOT_ADMISSION = "ServiceAccount,TaintNodesByCondition"


class ControlPlane:
    """`start` to `stop`, or an async context; from the main thread (see `Daemon`)."""

    def __init__(self, assets: Path) -> None:
        self._assets = assets
        memory = Path("/dev/shm")  # etcd syncs each write
        self.folder = Path(tempfile.mkdtemp(prefix="maitre-kube-", dir=memory if memory.is_dir() else None))
        self._sweeper = _sweeper(self.folder)
        self._kept = [kept_port() for _ in range(3)]
        self._etcd_port, self._peer_port, self.port = (kept.getsockname()[1] for kept in self._kept)
        self.url = f"https://127.0.0.1:{self.port}"
        self.audit = AuditLog(self.folder / "audit.jsonl")
        self._token = secrets.token_urlsafe()
        self._authority = Authority("kubernetes")
        self._write_files()
        self.trust = ssl.create_default_context(cadata=self._authority.pem.decode())
        self.admin_kubeconfig = self._kubeconfig("admin", self._token)
        self.etcd = Daemon(self._etcd_command(), self.folder / "etcd.log")
        self.api_server = Daemon(self._api_server_command(), self.folder / "kube-apiserver.log")
        self.controllers: Daemon | None = None

    async def __aenter__(self) -> "ControlPlane":
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        self.etcd.start()
        await self.start_api_server()

    async def stop(self) -> None:
        """Leaves no process, port or file behind."""
        for daemon in (self.controllers, self.api_server, self.etcd):
            if daemon is not None:
                await daemon.kill()
        for kept in self._kept:
            kept.close()
        self._sweeper.communicate()

    async def start_api_server(self) -> None:
        """On the port that it always had, with the data that it had; back when it says that it is ready."""
        self.api_server.start()
        async with self.http() as client:
            await self._until_ok(self.api_server, client, "/readyz")

    async def stop_api_server(self) -> None:
        """SIGKILL: connections are reset, and new ones refused."""
        await self.api_server.kill()

    async def compact(self) -> None:
        """Forgets the history: whoever goes on from a resourceVersion of before is told 410.

        The API server keeps the last events in memory, and would go on serving a watch from those; so it is started
        again. Watches that stand break by this. It may also be called while the API server is stopped; then it
        stays stopped.
        """
        was_running = self.api_server.running
        await self.stop_api_server()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._etcd_port}/v3/kv") as etcd:
            revision = "0"
            for _ in range(3):  # something must have happened since, or the last resourceVersion is not an old one
                put = await etcd.post("/put", json={"key": _base64("compaction"), "value": _base64("")})
                revision = put.raise_for_status().json()["header"]["revision"]
            (await etcd.post("/compaction", json={"revision": revision, "physical": True})).raise_for_status()
        if was_running:
            await self.start_api_server()

    async def start_controllers(self, *names: str) -> None:
        """kube-controller-manager with these of its controllers: `deployment`, `replicaset`, `statefulset`, …"""
        assert self.controllers is None, "the controllers run already"
        command = [str(self._assets / "kube-controller-manager"), f"--kubeconfig={self.admin_kubeconfig}"]
        command += [f"--controllers={','.join(names)}", "--leader-elect=false", "--port=0", "--secure-port=0"]
        command += ["--kube-api-qps=1000", "--kube-api-burst=1000"]
        self.controllers = Daemon(command, self.folder / "kube-controller-manager.log")
        self.controllers.start()

    async def stop_controllers(self) -> None:
        if self.controllers is not None:
            await self.controllers.kill()
            self.controllers = None

    def client(self, kubeconfig: Path | None = None) -> AsyncClient:
        """Of the administrator, unless told otherwise."""
        return AsyncClient(KubeConfig.from_file(kubeconfig or self.admin_kubeconfig), trust_env=False)

    def http(self) -> httpx.AsyncClient:
        """For what lightkube has no words for; of the administrator."""
        return httpx.AsyncClient(
            base_url=self.url, verify=self.trust, headers={"authorization": f"Bearer {self._token}"}, trust_env=False
        )

    async def token(self, account: str, namespace: str, **more: object) -> str:
        """Of a service account that exists, as a pod of it has; `more` is said of it."""
        spec = {"expirationSeconds": 7200, **more}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        async with self.http() as client:
            answer = await client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", json=body)
        token: str = answer.raise_for_status().json()["status"]["token"]
        return token

    async def kubeconfig(self, account: str, namespace: str) -> Path:
        """For a service account that exists."""
        return self._kubeconfig(f"{namespace}-{account}", await self.token(account, namespace), namespace)

    async def kubectl(self, *arguments: str, stdin: str = "", kubeconfig: Path | None = None) -> str:
        """What it printed; an AssertionError with its complaint when it fails."""
        process = await asyncio.create_subprocess_exec(
            str(self._assets / "kubectl"),
            f"--kubeconfig={kubeconfig or self.admin_kubeconfig}",
            f"--cache-dir={self.folder / 'kubectl'}",
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(BOUND_S):
            output, complaint = await process.communicate(stdin.encode())
        assert process.returncode == 0, f"kubectl {' '.join(arguments)}: {complaint.decode()}"
        return output.decode()

    def _kubeconfig(self, user: str, token: str, namespace: str = "default") -> Path:
        authority = base64.b64encode(self._authority.pem).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": user, "context": {"cluster": "test", "user": user, "namespace": namespace}}],
            "current-context": user,
        }
        path = self.folder / f"{user}.kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def _write_files(self) -> None:
        self._authority.issue("127.0.0.1").write(self.folder / "server.crt", self.folder / "server.key")
        self._authority.issue("accounts").write(self.folder / "accounts.crt", self.folder / "accounts.key")
        (self.folder / "tokens.csv").write_text(f"{self._token},admin,admin,system:masters\n")
        (self.folder / "audit-policy.json").write_text(json.dumps(POLICY))

    def _etcd_command(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        return [
            str(self._assets / "etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _api_server_command(self) -> list[str]:
        folder = self.folder
        return [
            str(self._assets / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--etcd-compaction-interval=0",  # `compact` says when
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={folder / 'server.crt'}",
            f"--tls-private-key-file={folder / 'server.key'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-signing-key-file={folder / 'accounts.key'}",
            f"--service-account-key-file={folder / 'accounts.crt'}",
            f"--api-audiences={ISSUER}",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--disable-admission-plugins={NOT_ADMISSION}",
            "--endpoint-reconciler-type=none",
            f"--audit-policy-file={folder / 'audit-policy.json'}",
            f"--audit-log-path={self.audit.path}",
            "--audit-log-maxsize=100000",  # MB: one file, never rotated
            "--allow-privileged=true",
            "--profiling=false",
        ]

    async def _until_ok(self, daemon: Daemon, client: httpx.AsyncClient, url: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_BOUND_S):
                while daemon.running:
                    with contextlib.suppress(httpx.TransportError):
                        if (await client.get(url)).status_code == 200:
                            return
                    await asyncio.sleep(0.02)
        raise AssertionError(f"{daemon.name} did not get ready\n{daemon.last_words()}")


def _sweeper(folder: Path) -> subprocess.Popen[bytes]:
    """Removes the folder when its standard input ends, which it does however this process ends."""
    # the daemons are killed at the same moment, and may write to the last
    script = 'read -r _; until rm -rf "$1"; do sleep 0.1; done'
    command = [shutil.which("sh") or "sh", "-c", script, "sweeper", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
