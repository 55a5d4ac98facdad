cat > ~/server.py <<'EOF'
import os, sys
from http.server import HTTPServer, SimpleHTTPRequestHandler

os.chdir(os.path.expanduser(sys.argv[1]))
HTTPServer(("127.0.0.1", int(sys.argv[2])), SimpleHTTPRequestHandler).serve_forever()
EOF
python3 ~/server.py ~/backend1 8081 &
python3 ~/server.py ~/backend2 8082 &
sleep 2
curl http://127.0.0.1:8081 http://127.0.0.1:8082
