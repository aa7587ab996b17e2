"""Boots a Debian of its own (its kernel, its systemd) in QEMU, without KVM, and runs the tests of this folder in it.

The base image is made once (build-vm/, some 40 seconds); what is tested lies on a second disk that is made each time.
Needs root, for the owners of files in the images."""

import argparse
import hashlib
import inspect
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "build-vm"
RELEASE = "bookworm"
PACKAGES = [
    "linux-image-amd64", "systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "util-linux", "procps",
    "libmicrohttpd12", "libwslay1", "libpython3.11", "libseccomp2", "libsodium23", "libjansson4", "libsqlite3-0",
    "libunistring2", "python3", "python3-pytest", "python3-websockets",
]  # fmt: skip
UNIT = """[Unit]
After=multi-user.target user@1000.service
[Service]
ExecStart=/opt/carrel/test/vm/guest
[Install]
WantedBy=multi-user.target
"""
BOOT_SECONDS = 240  # some 25 on a machine that does nothing else
WHOLE_SECONDS = 600


def run(*command):
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL)


def make_image(path, folder, megabytes):
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", "-d", folder, "-L", path.stem, partial, f"{megabytes}M")
    partial.rename(path)


def base_stamp():
    recipe = [RELEASE, *PACKAGES, UNIT, inspect.getsource(make_base)]
    return hashlib.sha256("\n".join(recipe).encode()).hexdigest()


def make_base():
    """A Debian with what the product needs, and a unit that runs the tests when it has started."""
    stamp = WORK / "base.stamp"
    if stamp.exists() and stamp.read_text() == base_stamp():
        return
    print("vm: making the base image", flush=True)
    tree = WORK / "root"
    shutil.rmtree(tree, ignore_errors=True)
    run("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}", RELEASE, tree)
    (tree / "etc/systemd/system/carrel-test.service").write_text(UNIT)
    (tree / "etc/fstab").write_text("LABEL=base / ext4 defaults 0 0\nLABEL=product /opt/carrel ext4 ro 0 0\n")
    (tree / "etc/hostname").write_text("guest\n")
    (tree / "opt/carrel").mkdir()
    run("chroot", tree, "useradd", "--create-home", "--uid", "1000", "pupil")
    run("chroot", tree, "systemctl", "enable", "--quiet", "carrel-test.service")
    run("chroot", tree, "systemctl", "mask", "--quiet", "serial-getty@ttyS0.service", "serial-getty@ttyS1.service", "getty@tty1.service")
    (tree / "var/lib/systemd/linger").mkdir(parents=True, exist_ok=True)
    (tree / "var/lib/systemd/linger/pupil").touch()
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile((tree / name).resolve() if not (tree / name).is_symlink() else tree / os.readlink(tree / name), WORK / name)
    make_image(WORK / "base.ext4", tree, 2000)
    shutil.rmtree(tree)
    stamp.write_text(base_stamp())


def make_product(build):
    tree = WORK / "product"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "build").mkdir(parents=True)
    for name in ("carrel", "carrel-python"):
        shutil.copy(build / name, tree / "build" / name)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("test/system", "test/client", "test/vm", "protocol"):
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    if (ROOT / "web/dist").exists():
        shutil.copytree(ROOT / "web/dist", tree / "web/dist", ignore=ignored)
    make_image(WORK / "product.ext4", tree, 100)
    shutil.rmtree(tree)


def boot(ways, *words):
    """Until it powers itself off. Returns how many tests passed and failed, by what came over the second serial line."""
    results, console = WORK / "results", WORK / "console"
    for path in (results, console):
        path.unlink(missing_ok=True)
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536", "-display", "none",
        "-no-reboot", "-nodefaults", "-nic", "none", "-device", "virtio-rng-pci",
        "-kernel", WORK / "vmlinuz", "-initrd", WORK / "initrd.img",
        "-append", " ".join(["root=/dev/vda ro console=ttyS0 quiet systemd.show_status=0 panic=-1", *words]),
        "-drive", f"file={WORK}/base.ext4,if=virtio,format=raw,snapshot=on",
        "-drive", f"file={WORK}/product.ext4,if=virtio,format=raw,snapshot=on",
        "-serial", f"file:{console}", "-serial", f"file:{results}",
    ]  # fmt: skip
    started = time.monotonic()
    machine = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL)
    shown = 0
    try:
        while machine.poll() is None:
            time.sleep(0.5)
            text = results.read_text(errors="replace") if results.exists() else ""
            print(text[shown:], end="", flush=True)
            shown = len(text)
            seconds = time.monotonic() - started
            if seconds > WHOLE_SECONDS or (not text and seconds > BOOT_SECONDS):
                print(f"vm: given up after {seconds:.0f} s")
                break
    finally:
        machine.kill()
        machine.wait()
    text = results.read_text(errors="replace") if results.exists() else ""
    print(text[shown:], end="")
    if "== over ==" not in text:
        print(console.read_text(errors="replace")[-3000:] if console.exists() else "vm: nothing on the console")
    print(f"vm: {time.monotonic() - started:.0f} s")
    return count(text, ways)


def count(text, ways):
    """Of each way's summary. A way that came to none has failed."""
    passed = failed = 0
    for name in ways:
        part = re.search(rf"== {name} ==(.*?)== {name}: status (\d+) ==", text, re.DOTALL)
        summary = re.search(r"^(?:\d+ \w+, )*\d+ \w+ in [\d.]+s.*$", part.group(1), re.MULTILINE) if part else None
        if not summary:
            failed += 1
            continue
        words = summary.group(0)
        here = sum(int(n) for n in re.findall(r"(\d+) (?:failed|errors?)\b", words))
        passed += sum(int(n) for n in re.findall(r"(\d+) passed", words))
        failed += here or int(part.group(2) != "0")
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("vm: this needs root")
    WORK.mkdir(exist_ok=True)
    make_base()
    make_product(options.build)
    second = boot(["root", "user", "user-manager"])
    first = boot(["version-1"], "systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller=1")
    passed, failed = (second[i] + first[i] for i in (0, 1))
    print(f"vm: {passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
