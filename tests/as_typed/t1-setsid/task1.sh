mkdir -p ~/backend1 ~/backend2
echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' > ~/backend2/index.html

setsid bash -c 'cd ~/backend1 && exec python3 -m http.server 8081' > /tmp/b1.log 2>&1 < /dev/null &
setsid bash -c 'cd ~/backend2 && exec python3 -m http.server 8082' > /tmp/b2.log 2>&1 < /dev/null &
until curl -sf http://127.0.0.1:8082 > /dev/null; do sleep 0.2; done
for p in 8081 8082; do echo "== $p"; curl -s "http://127.0.0.1:$p/"; done
exit 0
