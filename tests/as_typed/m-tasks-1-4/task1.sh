for i in 1 2; do mkdir -p ~/backend$i; done
echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
echo '<h2>*** Response from Backend Server 1 ***</h2>' > ~/backend2/index.html
python3 -m http.server 8081 --directory ~/backend1 &
python3 -m http.server 8082 --directory ~/backend2 &
