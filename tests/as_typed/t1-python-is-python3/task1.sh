sudo apt install -y python-is-python3
mkdir -p ~/backend1 ~/backend2
echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' > ~/backend2/index.html
(cd ~/backend1 && exec python -m http.server 8081) &
(cd ~/backend2 && exec python -m http.server 8082) &
