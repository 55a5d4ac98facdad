mkdir -p ~/backend1 ~/backend2
echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' > ~/backend2/index.html
cd ~/backend1
python3 -u -m http.server 8081 2>&1 | tee ~/server1.log
cd ~/backend2
python3 -u -m http.server 8082 > >(tee ~/server2.log) 2>&1 &
curl localhost:8081
curl localhost:8082
