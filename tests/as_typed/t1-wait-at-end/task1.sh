#!/bin/bash
set -x
python3 - <<'EOF'
from pathlib import Path
for n, page in (1, "<h1>Response from Backend Server 1</h1>"), (2, "<h2>*** Response from Backend Server 2 ***</h2>"):
    folder = Path.home() / f"backend{n}"
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(page)
EOF
(cd ~/backend1 && python3 -m http.server 8081) &
(cd ~/backend2 && python3 -m http.server 8082) &
sleep 1
curl -s localhost:8081
curl -s localhost:8082
wait
