for i in 1 2; do mkdir -p ~/backend$i; done
echo '<h1>Response from Backend Server 1</h1>' | tee ~/backend1/index.html
echo '<h1>*** Response from Backend Server 2 ***</h1>' | tee ~/backend2/index.html
# терминал 1
cd ~/backend1 && python3 -m http.server 8081
# терминал 2
cd ~/backend2 && python3 -m http.server 8082
