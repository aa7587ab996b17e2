"""The power fails: a guest in QEMU whose disk is written past every cache of ours is killed under typing, again and again.
What was acknowledged before must be on its disk, and every file must be a text that was typed. Needs root."""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import time
import types

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("vm", "bench"):
    sys.path.insert(0, str(ROOT / "test" / folder))

import vm  # noqa: E402
from common import serve_many  # noqa: E402

WORK = vm.WORK
PEOPLE = 4
INIT = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var/tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -o ro /dev/vdb /opt/carrel
mount /dev/vdc /mnt
exec </dev/null >/dev/ttyS0 2>&1
python3 /opt/carrel/test/document/power_guest.py
sleep 1000
"""
FIRST_SECONDS = 300  # until something is acknowledged: it is slow without KVM, and slower beside others


def debugfs(image, *commands, write=False):
    for command in commands:
        subprocess.run(["debugfs", *(["-w"] if write else []), "-R", command, str(image)], check=True, capture_output=True)


def make_root():
    """The base image of `script/test vm`, with a first program of our own: no systemd, so that a boot is short."""
    stamp, wanted = WORK / "power.stamp", hashlib.sha256((INIT + vm.base_stamp()).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    init = WORK / "power-init"
    init.write_text(INIT)
    vm.run("cp", "--sparse=always", WORK / "base.ext4", WORK / "power.ext4")
    debugfs(WORK / "power.ext4", f"write {init} power-init", "set_inode_field power-init mode 0100755", write=True)
    stamp.write_text(wanted)


def make_product(cookies):
    tree = WORK / "power-product"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "build").mkdir(parents=True)
    for name in ("carrel", "carrel-python"):
        shutil.copy(ROOT / "build" / name, tree / "build" / name)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("test/client", "test/document", "protocol"):
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    (tree / "test/document/cookies").write_text("\n".join(cookies))
    vm.make_image(WORK / "power-product.ext4", tree, 100)
    shutil.rmtree(tree)


def make_disks():
    """Made here, with people who are signed in: a password takes the guest seconds."""
    school, sessions = serve_many(PEOPLE, types.SimpleNamespace(set=[]))
    school.stop()
    make_product([session.cookie for session in sessions])
    tree = school.directory / "disk"
    tree.mkdir()
    school.data.rename(tree / "data")
    vm.make_image(WORK / "power-data.ext4", tree, 200)
    school.remove()


def drive(name, *options):
    return ["-drive", ",".join([f"file={WORK / name}", "if=virtio", "format=raw", *options])]


def boot():
    for name in ("power-told", "power-console"):
        (WORK / name).unlink(missing_ok=True)
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024", "-display", "none",
        "-no-reboot", "-nodefaults", "-nic", "none", "-device", "virtio-rng-pci",
        "-kernel", WORK / "vmlinuz", "-initrd", WORK / "initrd.img",
        "-append", "root=/dev/vda rw console=ttyS0 quiet panic=-1 init=/power-init",
        *drive("power.ext4", "snapshot=on"), *drive("power-product.ext4", "snapshot=on"),
        *drive("power-data.ext4", "cache=directsync"),
        "-serial", f"file:{WORK}/power-console", "-serial", f"file:{WORK}/power-told",
    ]  # fmt: skip
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL)


def told():
    path = WORK / "power-told"
    lines = path.read_text(errors="replace").split("\n")[:-1] if path.exists() else []  # the last may be half a line
    return [line.split() for line in lines]


def type_and_cut(chance):
    """Boots, lets them type, and pulls the plug. Returns what was acknowledged: path: {revision: digest}."""
    machine = boot()
    try:
        end = time.monotonic() + FIRST_SECONDS
        while len(told()) < 3 * PEOPLE:
            if machine.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"nobody typed: {(WORK / 'power-console').read_text(errors='replace')[-1500:]}")
            time.sleep(0.2)
        time.sleep(chance.uniform(0, 4))
    finally:
        machine.kill()
        machine.wait()
    acknowledged = {}
    for path, revision, digest in told():
        acknowledged.setdefault(path, {})[int(revision)] = digest
    return acknowledged


def applied(text, changes):
    units, at, out = text.encode("utf-16-le"), 0, b""
    for section in changes:
        size, lines = (section, None) if isinstance(section, int) else (section[0], section[1:])
        if lines is None:
            out += units[2 * at : 2 * (at + size)]
        else:
            out += "\n".join(lines).encode("utf-16-le")
        at += size
    return out.decode("utf-16-le")


def texts_of(store, path):
    """Digests of all revisions that the journal has: revision: digest."""
    row = store.execute("select id, base, base_text from document where path = ? and gone = 0", (path,)).fetchone()
    if row is None:
        return {}
    identifier, revision, text = row[0], row[1], bytes(row[2]).decode()
    texts = {revision: hashlib.sha256(text.encode()).hexdigest()}
    query = "select revision, changes from document_update where document = ? order by revision"
    for revision, changes in store.execute(query, (identifier,)):
        text = applied(text, json.loads(changes))
        texts[revision] = hashlib.sha256(text.encode()).hexdigest()
    return texts


def look(acknowledged, problems):
    """What the disk holds, once its own journal is replayed, as the next boot would."""
    image, found = WORK / "power-look.ext4", WORK / "power-found"
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir()
    vm.run("cp", "--sparse=always", WORK / "power-data.ext4", image)
    checked = subprocess.run(["e2fsck", "-fy", image], capture_output=True, text=True)
    if checked.returncode > 1:
        problems.append(f"the file system is damaged: {checked.stdout[-300:]}")
    debugfs(image, f"rdump /data {found}")
    with sqlite3.connect(found / "data" / "store" / "carrel.db") as store:
        if store.execute("pragma integrity_check").fetchone()[0] != "ok":
            problems.append("the database is damaged")
        for path, revisions in acknowledged.items():
            texts = texts_of(store, path)
            lost = [revision for revision, digest in revisions.items() if texts.get(revision) != digest and revision >= min(texts, default=0)]
            if lost:
                problems.append(f"LOST: {path}: {len(lost)} of {len(revisions)}, from revision {lost[0]} on")
            file = found / "data" / "files" / "demo" / path
            held = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "no file"
            if held not in texts.values():
                problems.append(f"HALF: {path} is none of the typed texts ({file.stat().st_size if file.exists() else 'gone'})")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("power: this needs root")
    WORK.mkdir(exist_ok=True)
    vm.make_base()
    make_root()
    make_disks()
    chance, cuts, count, problems = random.Random(options.seed), 0, 0, []
    started = time.monotonic()
    for cuts in range(1, options.cuts + 1):
        acknowledged = type_and_cut(chance)
        count += sum(len(revisions) for revisions in acknowledged.values())
        look(acknowledged, problems)
        print(f"power: cut {cuts}, {count} edits acknowledged so far, {time.monotonic() - started:.0f} s", flush=True)
        if problems:
            break
    for problem in problems:
        print(f"FAILED: {problem}")
    print(f"power cut: {cuts} times; {count} edits acknowledged")
    print(f"{0 if problems else 1} passed, {len(problems)} failed")
    sys.exit(len(problems) > 0)


if __name__ == "__main__":
    main()
