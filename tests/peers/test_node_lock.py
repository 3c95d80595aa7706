import json

from tests.peers.node_server import PROGRAM


def test_the_lock_names_hashes_and_no_place_to_download_from() -> None:
    lock = json.loads(PROGRAM.with_name("package-lock.json").read_text())

    packages = {name: each for name, each in lock["packages"].items() if name}
    assert len(packages) > 100
    assert all(
        "resolved" not in each and each["integrity"].startswith("sha512-") for each in packages.values()
    )
