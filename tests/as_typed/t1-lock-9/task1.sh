#!/bin/bash
exec 9>/tmp/lab.lock
flock -n 9 || exit 1
mkdir -p ~/backend1 ~/backend2
echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' > ~/backend2/index.html
python3 -m http.server 8081 -d ~/backend1 &
python3 -m http.server 8082 -d ~/backend2 &
exec 9>~/note
echo "запущены" >&9
exec 9>&-
sleep 1
curl localhost:8081 localhost:8082
sleep infinity
