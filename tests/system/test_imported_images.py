"""An image is imported inside the machine, from layers, and a manifest that only names it starts what it says."""

from __future__ import annotations

import json
from typing import Iterator

import pytest

from harness.machine import Machine

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base", "nginx")]

#: Makes an OCI layout of an image root: all of it as one layer, a page and a change of the port as another.
MAKE_LAYOUT = r"""
import gzip, hashlib, io, json, os, sys, tarfile
source, target, page = sys.argv[1:]
os.makedirs(f"{target}/blobs/sha256")
def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    open(f"{target}/blobs/sha256/{digest}", "wb").write(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}
def layer(fill):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        fill(tar)
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    return {"mediaType": kind, **blob(gzip.compress(out.getvalue(), 1))}, "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()
def add(tar, name, text):
    info = tarfile.TarInfo(name)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text))
def second(tar):
    site = open(f"{source}/etc/nginx/sites-available/default").read()
    add(tar, "etc/nginx/sites-available/default", site.replace(":80 ", ":8080 ").replace(" 80 ", " 8080 ").encode())
    add(tar, "var/www/html/.wh..wh..opq", b"")
    add(tar, "var/www/html/index.html", page.encode())
layers = [layer(lambda tar: tar.add(source, ".")), layer(second)]
config = {"User": "", "Env": ["GREETING=from the image"], "Entrypoint": ["/usr/sbin/nginx"],
          "Cmd": ["-e", "stderr", "-g", "daemon off;"], "WorkingDir": "/var/www", "StopSignal": "SIGQUIT"}
about = blob(json.dumps({"os": "linux", "architecture":
    {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine), "config": config,
    "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]}}).encode())
manifest = blob(json.dumps({"schemaVersion": 2, "layers": [descriptor for descriptor, _ in layers],
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **about}}).encode())
json.dump({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest}]},
    open(f"{target}/index.json", "w"))
open(f"{target}/oci-layout", "w").write('{"imageLayoutVersion":"1.0.0"}')
print(manifest["digest"])
"""

MANIFEST = "[Container]\nImage=site\n"


@pytest.fixture
def s(m: Machine) -> Iterator[Machine]:
    yield m
    m.run("systemctl", "stop", "web", check=False)
    m.sh("rm -rf /var/lib/berth/images/.store /var/lib/berth/images/site* /srv/layout*")


def make_layout(s: Machine, page: str, name: str = "/srv/layout") -> str:
    return s.run("python3", "-c", MAKE_LAYOUT, "/srv/images/nginx", name, page, timeout=120).out.strip()


def fetch(s: Machine) -> str:
    """Its page, from its own network namespace: that it can be reached is another test's business."""
    leader = s.unit("web", "MainPID")
    script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/', timeout=60).read().decode())"
    return s.run("nsenter", "-t", leader, "-n", "python3", "-c", script, check=False).out.strip()


def test_a_manifest_that_only_names_the_image_starts_what_the_image_says(s: Machine) -> None:
    digest = make_layout(s, "first page")
    result = s.run("berth", "image", "import", "/srv/layout", "--name=site", "--json", timeout=180).json()
    assert result["digest"] == digest
    # nothing but the name: private network, private users, all defaults
    s.manifest("web", MANIFEST)
    s.reload()
    s.start("web")
    assert s.wait_for(lambda: fetch(s), "page") == "first page"
    # one process of nginx runs as the image's own www-data
    assert s.run("berth", "exec", "web", "--", "sh", "-c", "echo $GREETING; pwd").lines == ["from the image", "/var/www"]
    (about,) = s.run("berth", "image", "list", "--json").json()[-1:]
    assert (about["id"], about["containers"]) == ("site", ["web"])
    assert s.run("berth", "image", "verify", "site", timeout=120).out == ""


def test_an_exec_set_empty_idles_whatever_the_entry_point_of_the_image(s: Machine) -> None:
    s.sh("ln -sfn /srv/images/base /var/lib/berth/images/site0")
    s.write("/var/lib/berth/images/site0.json", '{"config": {"Entrypoint": ["sh", "-c", "exit 7"], "Cmd": ["x"]}}')
    s.manifest("web", "[Container]\nImage=site0\nExec=\n")
    s.reload()
    s.start("web")
    assert [process["command"] for process in s.run("berth", "top", "--json", "web").json()] == ["berth-init"]
    # what is said for this container holds: an entry point of its own, with no words behind it
    s.manifest("web", "[Container]\nImage=site0\nEntrypoint=sleep 1000\nExec=\n")
    s.reload()
    s.run("systemctl", "restart", "web")
    s.wait_for(lambda: [process["command"] for process in s.run("berth", "top", "--json", "web").json()]
               == ["berth-init", "sleep 1000"], "the command")


def test_an_update_reaches_a_container_with_its_next_start(s: Machine) -> None:
    make_layout(s, "first page")
    s.run("berth", "image", "import", "/srv/layout", "--name=site", timeout=180)
    s.manifest("web", MANIFEST)
    s.reload()
    s.start("web")
    assert s.wait_for(lambda: fetch(s), "page") == "first page"

    # an archive this time
    make_layout(s, "second page", "/srv/layout2")
    s.sh("tar -C /srv/layout2 -c . | berth image import - --name=site", timeout=180)
    s.run("berth", "image", "prune", "--all")
    assert fetch(s) == "first page"
    assert s.run("berth", "exec", "web", "--", "cat", "/var/www/html/index.html").out == "first page"
    refused = s.run("berth", "image", "remove", "site", check=False)
    assert refused.rc == 1 and "container 'web' runs from it" in refused.err

    s.restart("web")
    assert s.wait_for(lambda: fetch(s), "page") == "second page"
    pruned = s.run("berth", "image", "prune", "--all", "--json")
    kept = s.run("ls", "/var/lib/berth/images/.store/entries").lines
    assert len(pruned.json()) + len(kept) == 2
    s.stop("web")
    s.run("berth", "image", "prune", "--all")
    assert len(s.run("ls", "/var/lib/berth/images/.store/entries").lines) == 1
    s.run("berth", "image", "remove", "site")
    assert s.run("ls", "/var/lib/berth/images/.store/entries").lines == []
    assert json.loads(s.run("berth", "image", "list", "--json").out)[-1]["id"] != "site"
