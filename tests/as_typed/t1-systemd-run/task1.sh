mkdir -p ~/backend1 ~/backend2
echo '<h1>Response from Backend Server 1</h1>' | tee ~/backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' | tee ~/backend2/index.html
sudo systemd-run --unit=backend1 --working-directory=$HOME/backend1 python3 -m http.server 8081
sudo systemd-run --unit=backend2 --working-directory=$HOME/backend2 /usr/bin/python3 -m http.server 8082
systemctl status backend1 backend2 --no-pager
curl --retry 5 --retry-connrefused localhost:8081
curl --retry 5 --retry-connrefused localhost:8082
