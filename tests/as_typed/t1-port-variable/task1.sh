mkdir -p ~/backend1 ~/backend2
echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' > ~/backend2/index.html

cd ~/backend1
PORT=8081 python3 -m http.server $PORT &
cd ~/backend2
PORT=8082 python3 -m http.server $PORT &
sleep 1
curl localhost:8081
