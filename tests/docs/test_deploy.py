"""The parts of each example on the deploy pages fit each other: ports, names, users, and how long a stop may take."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.docs.test_examples import BLOCKS, Block
from tests.support.programs import find_program

# What Cloud Run and Heroku allow between SIGTERM and SIGKILL, and docker stop unless told otherwise.
PLATFORM_STOPS_S = {"deploy-cloud-run.md": 10, "deploy-heroku.md": 30, "deploy-docker.md": 10}


def block(page: str, title: str) -> Block:
    return next(block for block in BLOCKS if block.page == page and block.title == title)


def configuration(page: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(block(page, "gunicorn.conf.py").text, names)
    return names


@pytest.mark.parametrize("page", PLATFORM_STOPS_S)
def test_worker_is_given_less_time_than_the_platform_gives(page):
    assert configuration(page)["graceful_timeout"] < PLATFORM_STOPS_S[page]


@pytest.mark.needs_program("systemd-analyze")
def test_systemd_takes_the_units(tmp_path):
    for title in ("app.socket", "app.service"):
        text = block("deploy-vm.md", title).text.replace("/srv/app/venv/bin/gasgi", sys.executable)
        # Users of the example that this machine lacks.
        text = text.replace("User=app", "User=root").replace("SocketUser=www-data", "SocketUser=root")
        (tmp_path / title).write_text(text.replace("WorkingDirectory=/srv/app", f"WorkingDirectory={tmp_path}"))
    command = [find_program("systemd-analyze"), "verify", "--man=no", str(tmp_path / "app.service")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    )
    complaints = [line for line in done.stderr.splitlines() if "app." in line]
    assert (done.returncode, complaints) == (0, [])


def test_service_is_given_more_time_than_its_workers():
    seconds = int(re.search(r"TimeoutStopSec=(\d+)", block("deploy-vm.md", "app.service").text)[1])
    assert seconds > configuration("deploy-vm.md")["graceful_timeout"]


def test_nginx_asks_at_the_socket_of_the_unit():
    path = re.search(r"ListenStream=(\S+)", block("deploy-vm.md", "app.socket").text)[1]
    assert f"server unix:{path} " in block("deploy-vm.md", "/etc/nginx/conf.d/app.conf").text


def test_image_runs_gunicorn_as_its_first_process_and_not_as_root():
    lines = [line.split(maxsplit=1) for line in block("deploy-docker.md", "Dockerfile").text.splitlines() if line]
    steps = [(words[0], words[1]) for words in lines if words[0] != "#"]
    assert steps[0] == ("FROM", "python:3.13-slim")
    command = json.loads(dict(steps)["CMD"])
    assert command[0] == "gasgi"
    names = [name for name, _ in steps]
    assert names.index("USER") > names.index("RUN")
    assert f" {dict(steps)['USER']}" in dict(step for step in steps if "useradd" in step[1])["RUN"]
    assert configuration("deploy-docker.md")["bind"].endswith(":" + dict(steps)["EXPOSE"])


def test_compose_waits_longer_than_the_workers():
    (service,) = yaml.safe_load(block("deploy-docker.md", "compose.yaml").text)["services"].values()
    assert int(service["stop_grace_period"].rstrip("s")) > configuration("deploy-docker.md")["graceful_timeout"]
    assert service["ports"] == ["8000:8000"]


def kubernetes() -> dict[str, dict[str, Any]]:
    pages = [block("deploy-kubernetes.md", name).text for name in ("app.yaml", "ingress.yaml")]
    return {part["kind"]: part for page in pages for part in yaml.safe_load_all(page)}


def test_kubernetes_objects_have_what_their_kind_must_have():
    versions = {
        "Deployment": "apps/v1",
        "Service": "v1",
        "PodDisruptionBudget": "policy/v1",
        "Ingress": "networking.k8s.io/v1",
    }
    assert {kind: part["apiVersion"] for kind, part in kubernetes().items()} == versions
    assert all(part["metadata"]["name"] for part in kubernetes().values())


def test_kubernetes_objects_find_each_other():
    parts = kubernetes()
    spec = parts["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    assert parts["Service"]["spec"]["selector"] == labels
    assert parts["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    (port,) = parts["Service"]["spec"]["ports"]
    (container,) = spec["template"]["spec"]["containers"]
    assert [named["name"] for named in container["ports"]] == [port["targetPort"]]
    backend = parts["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert (backend["name"], backend["port"]["name"]) == (parts["Service"]["metadata"]["name"], port["name"])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        way = container[probe].get("httpGet") or container[probe]["tcpSocket"]
        assert way["port"] == port["targetPort"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in spec["template"]["spec"]["volumes"]
    }


def test_pod_is_given_more_time_than_its_workers_and_its_pause():
    pod = kubernetes()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    graceful = int(container["args"][container["args"].index("--graceful-timeout") + 1])
    assert pod["terminationGracePeriodSeconds"] > pause + graceful


def test_user_of_the_pod_is_the_one_of_the_image():
    pod = kubernetes()["Deployment"]["spec"]["template"]["spec"]
    assert f"--uid {pod['securityContext']['runAsUser']} " in block("deploy-docker.md", "Dockerfile").text


def test_task_is_given_more_time_than_its_workers():
    task = json.loads(block("deploy-aws.md", "task.json").text)
    (container,) = task["containerDefinitions"]
    settings = configuration("deploy-aws.md")
    assert settings["graceful_timeout"] < container["stopTimeout"] <= 120
    assert settings["bind"].endswith(f":{container['portMappings'][0]['containerPort']}")


def test_procfile_starts_what_the_command_takes():
    kind, _, command = block("deploy-heroku.md", "Procfile").text.strip().partition(": ")
    assert (kind, shlex.split(command)) == ("web", ["gasgi", "main:app"])
