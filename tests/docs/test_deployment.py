"""The files of ``examples/deployment/``: each is read by the tool that it is for, or used."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import prometheus_client
import pytest
import yaml
from prometheus_client import CollectorRegistry
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from aiconfig_plugin.cli.commands import command as aiconfig
from aiconfig_plugin.demo.mongod import Mongod, free_port
from aiconfig_plugin.domain import AIConfig, Owner
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys import create_keyring
from aiconfig_plugin.metrics import PrometheusMetrics
from aiconfig_plugin.private_file import wanted_access
from aiconfig_plugin.settings import Settings
from aiconfig_plugin.store import MongoStores
from tests.support import processes
from tests.support.builders import started
from tests.support.processes import environment, need, program

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "examples" / "deployment"
CONTAINERFILE = (FILES / "container" / "Containerfile").read_text()
UNIT = (FILES / "systemd" / "aiconfig.service").read_text()
MANIFESTS = [
    manifest
    for file in sorted((FILES / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(file.read_text())
]
COMPOSE = yaml.safe_load((FILES / "container" / "compose.yaml").read_text())
PASSWORDS = {"GATEWAY_PASSWORD": "gateway's", "OPERATOR_PASSWORD": "operator's"}


def manifest(kind: str, name: str = "aiconfig") -> Any:
    [found] = [m for m in MANIFESTS if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return found


def settings_of(env: dict[str, str]) -> Settings:
    """What these variables set; a name that is none, or a wrong value, raises."""
    return Settings.from_env(env)


# systemd


def unit(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    verify = need("systemd-analyze")
    [command] = unit("ExecStart")
    for wrong in ("", "NoSuchDirective=yes\n"):
        copy = tmp_path / "aiconfig.service"
        path = shlex.split(command)[0]
        copy.write_text(
            UNIT.replace(path, sys.executable).replace("[Install]", f"{wrong}[Install]")
        )
        done = subprocess.run([verify, "verify", copy], capture_output=True, text=True)
        assert bool(done.stderr) is bool(wrong), done.stderr


def test_the_unit_s_command_serves_with_its_credentials(
    mongod: Any, database_name: str, tmp_path: Path
) -> None:
    """As systemd would: settings from both places, the credentials in a folder of their own."""
    names = [Path(line.split(":")[0]).name for line in unit("LoadCredential")]
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    create_keyring(credentials / "keyring.json")
    (credentials / "client-secret").touch(0o600)
    (credentials / "client-secret").write_text("s3cret\n")
    assert sorted(names) == sorted(path.name for path in credentials.iterdir())
    env = dict(line.split("=", 1) for line in unit("Environment"))
    env |= dict(re.findall(r"^(\w+)=(.*)$", (FILES / "systemd/aiconfig.env").read_text(), re.M))
    env = {name: value.replace("%d", str(credentials)) for name, value in env.items()}
    settings_of(env)
    port, [line] = free_port(), unit("ExecStart")
    words = [processes.aiconfig(), *shlex.split(line.replace("8888", str(port)))[1:]]
    here = {"AICONFIG_MONGODB_URI": mongod.uri, "AICONFIG_MONGODB_DATABASE": database_name}
    here |= {"AICONFIG_INTROSPECTION_ENDPOINT": "https://login.example.com/introspect"}
    with program(words, {**environment(), **env, **here}, tmp_path / "serve") as served:
        assert served.wait_for("\n") == f"aiconfig listens on http://127.0.0.1:{port}/api/v1\n"
        assert served.end(signal.SIGTERM) == 0


# Containers


def test_a_command_line_of_a_file_is_understood() -> None:
    [entry, image, gateway, job] = [
        *map(json.loads, re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", CONTAINERFILE, re.M)),
        manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]["args"],
        manifest("Job", "aiconfig-migrate")["spec"]["template"]["spec"]["containers"][0]["args"],
    ]
    assert entry == ["aiconfig"]
    for words in (image, gateway, job, COMPOSE["services"]["migrate"]["command"]):
        assert isinstance(aiconfig, click.Group)
        command = aiconfig.commands[words[0]]
        context = command.make_context("aiconfig", list(words[1:]))
        assert words[0] != "serve" or context.params["host"] == "0.0.0.0"


def test_the_image_holds_what_the_plugin_is_made_of() -> None:
    ignored = (FILES / "container" / "Containerfile.dockerignore").read_text().splitlines()
    copied = {line[1:] for line in ignored if line.startswith("!")}
    assert ignored[0] == "*" and all((ROOT / name).exists() for name in copied)
    setup = (ROOT / "setup.py").read_text()
    assert {"setup.py", "pyproject.toml", "aiconfig_plugin", "schemas", "README.md", "LICENSE"} == (
        copied
    )
    [extras] = re.findall(r"pip install .*'\.\[(.*)\]'", CONTAINERFILE)
    assert all(f'"{extra}": ' in setup for extra in extras.split(","))
    [user] = re.findall(r"^USER (\d+):\d+$", CONTAINERFILE, re.MULTILINE)
    assert f"useradd --uid {user} " in CONTAINERFILE and int(user) > 0


def test_compose_takes_its_file() -> None:
    compose_spec = pytest.importorskip("compose_spec")
    text = (FILES / "container" / "compose.yaml").read_text()
    assert set(compose_spec.PyCompose.from_yaml(text).services) == {"mongodb", "migrate", "gateway"}
    with pytest.raises(ValueError):
        compose_spec.PyCompose.from_yaml(text.replace("read_only:", "readonly:"))
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (
                source in (*COMPOSE["volumes"], "./secrets")
                or (FILES / "container" / source).exists()
            )
    build = COMPOSE["services"]["gateway"]["build"]
    assert (FILES / "container" / build["context"] / build["dockerfile"]).is_file()
    given = {"AICONFIG_ISSUER": "https://login.example.com", "AICONFIG_CLIENT_ID": "g"}
    for service in ("gateway", "migrate"):
        settings_of({**COMPOSE["services"][service]["environment"], **given})


# Kubernetes


def test_a_manifest_fits_its_schema() -> None:
    for each in MANIFESTS:
        kubernetes_validate.validate(each, "1.34", strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**MANIFESTS[0], "sepc": {}}, "1.34", strict=True)


def pods() -> Iterator[Any]:
    for each in MANIFESTS:
        if each["kind"] in ("Deployment", "Job"):
            yield each["spec"]["template"]["spec"]


def test_what_a_manifest_names_is_there() -> None:
    names = {(m["kind"], m["metadata"]["name"]) for m in MANIFESTS}
    for pod in pods():
        for source in pod["containers"][0]["envFrom"]:
            [(kind, reference)] = source.items()
            wanted = {"secretRef": "Secret", "configMapRef": "ConfigMap"}[kind]
            assert (wanted, reference["name"]) in names
    deployment = manifest("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        manifest("Service")["spec"]["selector"],
        manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    probes = {name: probe["httpGet"] for name, probe in container.items() if "Probe" in name}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/readyz",
        "readinessProbe": "/readyz",
        "livenessProbe": "/healthz",
    }
    assert {probe["port"] for probe in probes.values()} == {container["ports"][0]["name"]}


def test_the_settings_of_the_manifests_are_settings_and_their_files_private() -> None:
    secrets = {name: manifest("Secret", name)["stringData"] for name in ("aiconfig-keys",)}
    mongodb = manifest("Secret", "aiconfig-mongodb")["stringData"]
    settings = settings_of({**manifest("ConfigMap")["data"], **mongodb})
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    [mount], [volume] = pod["containers"][0]["volumeMounts"], pod["volumes"]
    assert "subPath" not in mount and volume["secret"]["secretName"] == "aiconfig-keys"
    for path in (settings.keyring, settings.client_secret_file):
        folder, name = str(path).rsplit("/", 1)
        assert folder == mount["mountPath"] and name in secrets["aiconfig-keys"]
    # What the kubelet makes of it: owner root, group fsGroup.
    user, mode = pod["securityContext"]["runAsUser"], volume["secret"]["defaultMode"]
    assert wanted_access(0, 0o100000 | mode, user) is None and mode & 0o040
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]
    [image_user] = re.findall(r"^USER (\d+):\d+$", CONTAINERFILE, re.MULTILINE)
    assert user == int(image_user)


# The database's users


RUN_SCRIPT = """
const {readFileSync} = require("fs"), calls = [];
const database = (name) => new Proxy({}, {get: (_, method) => method === "getSiblingDB"
  ? database : (document) => calls.push([name, method, document])});
new Function("db", "process", readFileSync(process.argv[1], "utf-8"))(database("admin"), process);
console.log(JSON.stringify(calls.map(([name, method, {role, user, ...more}]) =>
  [name, {[method]: role ?? user, ...more}])));
"""


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The connection strings of the users that the script makes, in a mongod with passwords."""
    script = [need("node"), "-e", RUN_SCRIPT, str(FILES / "mongodb" / "users.js")]
    commands = subprocess.run(
        script, check=True, capture_output=True, text=True, env=environment() | PASSWORDS
    )
    data = tmp_path_factory.mktemp("users")
    with Mongod(data, arguments=["--auth"]) as started:
        with MongoClient[dict[str, Any]](started.uri) as client:
            client.admin.command("createUser", "root", pwd="root's", roles=["root"])
        as_root = started.uri.replace("//", "//root:root's@")
        with MongoClient[dict[str, Any]](as_root, authSource="admin") as client:
            for name, command in json.loads(commands.stdout):
                client[name].command(command)
        yield {
            user: started.uri.replace("//", f"//{user}:{password}@") + "&authSource=aiconfig"
            for user, password in zip(
                ("aiconfig", "aiconfig-admin"), PASSWORDS.values(), strict=True
            )
        }


async def test_the_gateway_s_user_can_work_and_change_no_collection(
    users: dict[str, str], keyring: Path
) -> None:
    owner, config = Owner("https://issuer.example", "alice"), AIConfig((), "", "r1")
    gateway = MongoStores.connect(users["aiconfig"], "aiconfig")
    with pytest.raises(ConfigurationError, match="'aiconfig migrate'"):
        await gateway.start()
    operator = MongoStores.connect(users["aiconfig-admin"], "aiconfig")
    assert await operator.migrate()
    await operator.close()
    await gateway.start()
    await gateway.repository.create(owner, config)
    await gateway.repository.replace(owner, config, if_match=["r1"])
    assert await gateway.repository.read(owner) == config
    assert not await gateway.repository.count_by_kid()
    await gateway.repository.delete(owner)
    await gateway.key_use.forget([owner])
    await gateway.close()
    async with started(keyring, users["aiconfig"], "aiconfig") as plugin:
        await plugin.logout(subject="alice")
    with MongoClient[dict[str, Any]](users["aiconfig"]) as client:
        collection = client["aiconfig"]["ai_model_configs"]
        for refused in (collection.drop, lambda: collection.create_index("models.provider")):
            with pytest.raises(OperationFailure, match="not authorized"):
                refused()


# Prometheus and Grafana


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run([need("promtool"), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules_and_each_fires_when_it_should() -> None:
    promtool("check", "rules", FILES / "prometheus" / "aiconfig.rules.yml")
    promtool("test", "rules", FILES / "prometheus" / "aiconfig.rules.test.yml")
    alerts = yaml.safe_load((FILES / "prometheus/aiconfig.rules.yml").read_text())["groups"][0]
    tested = (FILES / "prometheus" / "aiconfig.rules.test.yml").read_text()
    for rule in alerts["rules"]:
        assert tested.count(rule["alert"]) == 2


def expressions() -> dict[str, str]:
    """Every expression of the rules and of the dashboard."""
    rules = yaml.safe_load((FILES / "prometheus" / "aiconfig.rules.yml").read_text())
    found = {rule["alert"]: rule["expr"] for rule in rules["groups"][0]["rules"]}
    dashboard = json.loads((FILES / "grafana" / "aiconfig.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            found[f"{panel['title']} {target['refId']}"] = text
    return found


def test_prometheus_takes_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:number_{number}", "expr": expr}
        for number, expr in enumerate(expressions().values())
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)


def test_rules_and_dashboard_ask_for_metrics_and_labels_that_there_are() -> None:
    registry = CollectorRegistry()
    PrometheusMetrics(prometheus_client, registry)
    names = {
        f"{family.name}{suffix}"
        for family in registry.collect()
        for suffix in {"counter": ["_total"], "histogram": ["_bucket", "_count"]}.get(
            family.type, [""]
        )
    }
    page = (ROOT / "docs" / "metrics.md").read_text()
    for title, expression in expressions().items():
        assert set(re.findall(r"\baiconfig_\w+", expression)) <= names, title
        labels = re.findall(r"(\w+)=~?\"", expression)
        grouped = re.findall(r"by \(([^)]*)\)", expression)
        asked = {*labels, *(name.strip() for each in grouped for name in each.split(","))}
        for label in asked - {"le", "job", "instance"}:
            assert f"`{label}`" in page, title


# Traces


TRACED = """
import asyncio, importlib.util, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.instrumentation.tornado import TornadoInstrumentor
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
spec = importlib.util.spec_from_file_location("tracing", sys.argv[1])
tracing = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tracing)
from tornado.testing import bind_unused_port
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
class Handler(RequestHandler):
    def get(self): self.write("ok")
async def main():
    sock, port = bind_unused_port()
    server = HTTPServer(Application([("/path", Handler)]))
    server.add_sockets([sock])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /path?access_token=s3cret HTTP/1.0\\r\\n\\r\\n")
    await reader.read()
    writer.close()
    server.stop()
def attributes():
    exporter.clear()
    asyncio.run(main())
    [span] = exporter.get_finished_spans()
    return str(dict(span.attributes))
TornadoInstrumentor().instrument(tracer_provider=provider)
assert "s3cret" in attributes()
TornadoInstrumentor().uninstrument()
tracing.instrument(provider)
without = attributes()
assert "s3cret" not in without and "/path" in without, without
"""


@pytest.mark.parametrize("names", ["", "http/dup"])
def test_a_trace_has_no_query(names: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", TRACED, str(FILES / "tracing.py")]
    env = environment() | {"OTEL_SEMCONV_STABILITY_OPT_IN": names}
    subprocess.run(command, check=True, env=env)
