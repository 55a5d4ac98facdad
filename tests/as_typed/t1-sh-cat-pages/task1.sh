#!/bin/sh
cd ~
mkdir -p backend1 backend2
cat > backend1/index.html <<EOF
<h1>Response from Backend Server 1</h1>
EOF
cat > backend2/index.html <<EOF
<h2>*** Response from Backend Server 2 ***</h2>
EOF
tree ~ || ls -R ~
(cd backend1 && python3 -m http.server 8081 > /dev/null 2>&1 &)
(cd backend2 && python3 -m http.server 8082 > /dev/null 2>&1 &)
