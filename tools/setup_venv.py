"""Make .venv with the pinned packages and this repository in it, or see at once that it is there.

    python tools/setup_venv.py

Standard library only, and old syntax only, so that a Python that is too old can still say so.
`make lab` and `make test` call this first. It uses uv where uv is installed, otherwise it installs
uv into .venv, and pip where neither works. Deleting .venv undoes everything.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "quantedu-setup.json"
INPUTS = ["requirements.txt", "pyproject.toml"]
OLDEST = (3, 11)


class SetupError(Exception):
    """What is missing and what to do about it, for the person at the keyboard."""


def main() -> int:
    try:
        if is_ready():
            say(f"{VENV.name} is up to date")
        else:
            make_venv()
            install()
            write_stamp()
            say(f"{VENV.name} is ready")
    except SetupError as error:
        print(f"\n{error}\n", file=sys.stderr)
        return 1
    if "MAKELEVEL" not in os.environ:
        jupyter = BIN.relative_to(ROOT) / "jupyter"
        say("next: {} lab {}".format(jupyter, pathlib.Path("notebooks", "00_start_here.ipynb")))
    return 0


def say(text: str) -> None:
    print("quantedu: " + text, flush=True)


# ------------------------------------------------------------------ what is there already


def fingerprint() -> str:
    """Changes when the pins, pyproject.toml or the folder's own place change."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in INPUTS:
        digest.update(b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()


def installed() -> list:
    """Names and versions of the packages in .venv, read from its folders, so in a millisecond."""
    folder = "Lib" if os.name == "nt" else "lib/python3*"
    return sorted(path.name for path in VENV.glob(folder + "/site-packages/*.dist-info"))


def is_ready() -> bool:
    if not PYTHON.exists():  # also a link to a Python that has been removed since
        return False
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return stamp["fingerprint"] == fingerprint() and set(stamp["installed"]) <= set(installed())


def write_stamp() -> None:
    stamp = {"fingerprint": fingerprint(), "installed": installed()}
    half = STAMP.with_suffix(".part")
    half.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    half.replace(STAMP)


def venv_version() -> tuple:
    """(major, minor) of the Python in .venv; (0, 0) where there is none that runs."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        out = subprocess.check_output([str(PYTHON), "-c", code], stderr=subprocess.DEVNULL)
        major, minor = out.decode().split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return 0, 0


# ------------------------------------------------------------------ making it


def make_venv() -> None:
    if venv_version() >= OLDEST:
        return
    uv = shutil.which("uv")
    if sys.version_info[:2] < OLDEST:
        raise SetupError(too_old(uv))
    found = "{}.{}.{}".format(*sys.version_info[:3])
    say(f"making {VENV.name} with Python {found} ({sys.executable})")
    if uv:
        command = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV]
    elif has_ensurepip():
        command = [sys.executable, "-m", "venv", "--clear", VENV]
    else:
        raise SetupError(
            "This Python ({}) cannot make a virtual environment: its module ensurepip is missing.\n"
            "  Debian, Ubuntu:  sudo apt install python3-venv   (or python{}.{}-venv)\n"
            "  elsewhere:       install uv, or a Python with ensurepip, then run this again".format(
                sys.executable, *sys.version_info[:2]
            )
        )
    if run(command) != 0 or venv_version() < OLDEST:
        raise SetupError(
            f"{VENV.name} could not be made; the message above says why.\n"
            f"Delete the folder {VENV} and run this again."
        )


def has_ensurepip() -> bool:
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def too_old(uv: "str | None") -> str:
    lines = [
        "quantedu needs Python {}.{} or later; this one is {}.{}.{} ({}).".format(
            OLDEST[0], OLDEST[1], *sys.version_info[:3], sys.executable
        )
    ]
    names = [f"python3.{minor}" for minor in range(20, OLDEST[1] - 1, -1)]
    names = [name for name in names if shutil.which(name)]
    name = names[0] if names else "python3.12"
    if names:
        lines.append("On this machine there is also: {}.".format(", ".join(names)))
    lines.append(f"Name another one:  make PYTHON={name} lab")
    lines.append(f"    without make:  {name} tools/setup_venv.py")
    if uv and not names:
        lines.append("or let uv get one: uv venv --seed --python 3.12 .venv, then run this again")
    return "\n".join(lines)


def install() -> None:
    """Install the pins, then this repository without its dependencies; uv first, else pip."""
    if STAMP.exists():
        STAMP.unlink()  # from here on .venv is half made until the last step worked
    pins = ["-r", str(ROOT / "requirements.txt")]
    this = ["--no-deps", "-e", str(ROOT)]
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    say("installing the pinned packages (requirements.txt) and quantedu itself")
    uv = find_uv()
    if uv:
        command = [uv, "pip", "install", "--python", PYTHON, *quiet]
        if run([*command, "pip", *pins]) == 0 and run(command + this) == 0:
            return
        say("uv could not install them; trying with pip")  # which knows pip's own settings
    run([PYTHON, "-m", "ensurepip"], hush=True)  # a venv made by hand may have no pip
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--retries", "1"]
    if run(command + quiet + pins) == 0 and run(command + quiet + this) == 0:
        return
    raise SetupError(
        "The packages could not be installed; the messages above say why.\n"
        "  No network, or a proxy?  Check that `pip download numpy` works, then run this again:\n"
        "                           it goes on where it stopped. Once installed, the course needs\n"
        "                           no network.\n"
        "  A package has no build for this Python ({}.{})?  Try another version of Python:\n"
        "                           delete .venv, then  make PYTHON=python3.12 lab".format(
            *venv_version()
        )
    )


def find_uv() -> "str | None":
    uv = shutil.which("uv") or shutil.which("uv", path=str(BIN))
    if uv:
        return uv
    say("getting uv, which installs the rest faster")
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*command, "--retries", "1", "uv"])
    return shutil.which("uv", path=str(BIN))


def run(command: list, hush: bool = False) -> int:
    out = subprocess.DEVNULL if hush else None
    try:
        return subprocess.call([str(word) for word in command], cwd=ROOT, stdout=out, stderr=out)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
