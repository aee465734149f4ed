"""Resolves pyproject.toml for Python 3.11 to 3.13 on every system into requirements.txt and requirements-dev.txt.

torch's own requirements on Linux (CUDA, Triton) are left out of the lock: the wheel that is installed pins them
itself, and the wheel for processors alone has none.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OF_TORCH = re.compile(r"^(nvidia-|cuda-|triton)")


def compile_lock(output: Path, *extra: str) -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", "--universal", "--python-version", "3.11", "--quiet"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", *extra]
    subprocess.run([*command, "pyproject.toml", "-o", str(output)], cwd=ROOT, check=True, env=os.environ)
    lines = [line.replace("+cpu", "") for line in output.read_text().splitlines()]
    output.write_text("\n".join(line for line in lines if not OF_TORCH.match(line)) + "\n")


if __name__ == "__main__":
    compile_lock(ROOT / "requirements.txt")
    compile_lock(ROOT / "requirements-dev.txt", "--extra", "dev", "-c", "requirements.txt")
