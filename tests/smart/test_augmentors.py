"""A gateway without augmentors opens, and imports, nothing for them."""

import subprocess
import sys


def test_start_imports_nothing_that_reaches_for_the_web() -> None:
    script = "import sys, app.main; print([name for name in sys.modules if name.startswith(('app.web.p', 'app.web.s', 'trafilatura'))])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
