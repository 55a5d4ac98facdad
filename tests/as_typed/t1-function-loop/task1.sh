#!/usr/bin/env bash
set -eu
PAGES=("" "<h1>Response from Backend Server 1</h1>" "<h2>*** Response from Backend Server 2 ***</h2>")

start_backend() {
    mkdir -p ~/backend$1
    echo ${PAGES[$1]} > ~/backend$1/index.html
    ( cd ~/backend$1 && exec python3 -m http.server 808$1 ) &
}

for i in 1 2; do start_backend $i; done
sleep 1
for port in 8081 8082; do curl -s http://localhost:$port; done
