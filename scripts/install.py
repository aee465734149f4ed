"""Builds .venv with the pinned requirements; a second call is done in a blink. Standard library only, any Python 3.

python3 scripts/install.py          what the app needs
python3 scripts/install.py --dev    and the test tools, a browser for the browser tests, Azurite for the Azure tests
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.environ.get("PHIDESK_VENV", os.path.join(ROOT, ".venv"))
WANTED = ((3, 11), (3, 12), (3, 13))
NEEDED_GB = 6
UV = "uv==0.13.8"
AZURITE = "3.35.0"  # Microsoft's emulator of Azure Storage; the last one for Node.js below 21


def say(text):
    print("phidesk: " + text, flush=True)


def stop(what, fix):
    sys.exit("phidesk: {}\n         {}".format(what, fix))


def version_of(python):
    code = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        done = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return tuple(int(part) for part in done.stdout.split()) if done.returncode == 0 else None


def find_python():
    names = [os.environ.get("PYTHON", ""), "python3.11", "python3.12", "python3.13", "python3", sys.executable]
    for name in [name for name in names if name]:
        if version_of(name) in WANTED:
            return shutil.which(name) or name
    found = "{}.{}".format(*sys.version_info[:2])
    stop(
        "Python 3.11, 3.12 or 3.13 is needed; this one is {}.".format(found),
        "Install one (Debian and Ubuntu: apt install python3.11 python3.11-venv; macOS: brew install python@3.11), "
        "or name it: PYTHON=/path/to/python3.11 make run",
    )


def wanted_stamp(dev):
    digest = hashlib.sha256()
    for name in ["requirements.txt", "pyproject.toml"] + (["requirements-dev.txt"] if dev else []):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest() + ("+dev" if dev else "")


def pip_setting(name):
    """uv reads none of pip's configuration; what a person told pip about mirrors holds for uv too."""
    python = os.path.join(VENV, "bin", "python")
    done = subprocess.run(
        [python, "-m", "pip", "config", "get", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return done.stdout.decode().strip()


def run(command, what, fix, **options):
    if subprocess.call(command, **options) != 0:
        stop(what, fix)


def build(dev):
    python = os.path.join(VENV, "bin", "python")
    if version_of(python) not in WANTED:
        source = find_python()
        say("making {} with {}".format(os.path.basename(VENV), source))
        run(
            [source, "-m", "venv", "--clear", VENV],
            "Python could not make a virtual environment.",
            "Debian and Ubuntu keep that part in a package of its own: apt install python3-venv",
        )
    free = shutil.disk_usage(VENV).free / 1e9
    if free < NEEDED_GB:
        stop(
            "{:.1f} GB are free on this disk; the packages need about {} GB.".format(free, NEEDED_GB),
            "Make room, or put the environment elsewhere: PHIDESK_VENV=/path/to/folder make run",
        )
    offline = "Is this machine online? Behind a mirror, set pip's index-url (pip config set global.index-url URL)."
    say("installing {}".format(UV))
    run([python, "-m", "pip", "install", "--quiet", UV], "pip could not install uv.", offline)
    environment = dict(os.environ, VIRTUAL_ENV=VENV)
    for setting, variable in (("global.find-links", "UV_FIND_LINKS"), ("global.index-url", "UV_DEFAULT_INDEX")):
        value = pip_setting(setting)
        if value and variable not in environment:
            environment[variable] = " ".join(value.split())
    say("installing the pinned packages (1 to 3 GB; some minutes on a slow line)")
    files = ["requirements.txt"] + (["requirements-dev.txt"] if dev else [])
    command = [python, "-m", "uv", "pip", "install", "--python", python]
    for name in files:
        command += ["-r", os.path.join(ROOT, name)]
    run(command, "The packages could not be installed; the reason stands above.", offline, env=environment)
    run(
        [*command[:7], "--no-deps", "-e", ROOT],
        "Phi Desk itself could not be installed; the reason stands above.",
        "Run it again; if it stays, remove .venv first.",
        env=environment,
    )


def install_browser():
    """Chromium for the browser tests: Debian's where apt is at hand and one is root, else Playwright's own."""
    if os.environ.get("CHROMIUM") or any(map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))):
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        say("installing chromium for the browser tests")
        subprocess.call(["apt-get", "update", "-qq"])
        if subprocess.call(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]) == 0:
            return
    say("installing Playwright's chromium for the browser tests")
    subprocess.call([os.path.join(VENV, "bin", "python"), "-m", "playwright", "install", "chromium"])


def install_azurite():
    """The store behind the Azure tests, in .azurite; without npm those tests are skipped, and say so."""
    folder = os.path.join(ROOT, ".azurite")
    try:
        with open(os.path.join(folder, "node_modules", "azurite", "package.json")) as file:
            if '"version": "{}"'.format(AZURITE) in file.read():
                return
    except OSError:
        pass
    npm = shutil.which("npm")
    if npm is None:
        say("npm is missing, so the Azure tests will be skipped. Install Node.js 20 or newer, then run this again.")
        return
    say("installing Azurite for the Azure tests")
    os.makedirs(folder, exist_ok=True)
    command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error"]
    if subprocess.call([*command, "--prefix", folder, "azurite@" + AZURITE]) != 0:
        say(
            "npm could not install Azurite, so the Azure tests will be skipped. The reason stands above. "
            "Behind a mirror, set npm's registry (npm config set registry URL), then run this again."
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dev", action="store_true", help="and the test tools, a browser, Azurite")
    dev = parser.parse_args().dev
    os.makedirs(os.path.dirname(VENV) or ".", exist_ok=True)
    stamp = os.path.join(VENV, "phidesk-installed")
    wanted = wanted_stamp(dev)
    with open(VENV.rstrip("/") + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        have = ""
        if os.path.exists(stamp):
            with open(stamp) as file:
                have = file.read()
        # An environment with the test tools has all that the app needs.
        if have not in (wanted, wanted_stamp(True)):
            started = time.time()
            if os.path.exists(stamp):
                os.remove(stamp)
            build(dev)
            with open(stamp, "w") as file:
                file.write(wanted)
            say("installed in {:.0f} s".format(time.time() - started))
        if dev:
            install_browser()
            install_azurite()


if __name__ == "__main__":
    main()
